"""Damages files as storage, transfer and people with hex editors do; everything from one seed.

A ``.tflite`` is damaged as bytes, or as the objects of its schema, which are written again: then
every offset is right, and only what the file says is wrong.
"""

import struct

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

NUMBERS = (-1, 0, 1, 2, 3, 5, 127, 128, 255, 256, 65535, 1 << 20, (1 << 31) - 1, -(1 << 31))
FLOATS = (float("nan"), float("inf"), -1.0, 0.0, 1e-45, 3e38)


def damage(content, random):
    """One to three faults in the bytes of any file."""
    data = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        random.choice((_flip, _flip, _cut, _insert, _remove, _word, _word, _repeat))(data, random)
    return bytes(data)


def _flip(data, random):
    for _ in range(random.choice((1, 2, 8))):
        if data:
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _cut(data, random):
    del data[random.randrange(len(data) + 1) :]


def _insert(data, random):
    at = random.randrange(len(data) + 1)
    data[at:at] = random.randbytes(random.choice((1, 2, 4, 64)))


def _remove(data, random):
    at = random.randrange(len(data) + 1)
    del data[at : at + random.choice((1, 2, 4, 64))]


def _word(data, random):
    if len(data) >= 4:
        at = random.randrange(len(data) // 4) * 4
        data[at : at + 4] = struct.pack("<I", random.choice(NUMBERS) & 0xFFFFFFFF)


def _repeat(data, random):
    if data:
        at, size = random.randrange(len(data)), random.choice((1, 4, 32, 256))
        piece = data[at : at + size]
        to = random.randrange(len(data))
        data[to : to + len(piece)] = piece


def damage_tflite(tflite, random):
    """One fault or several in what a ``.tflite`` file says, or in its bytes."""
    if random.random() < 0.25:
        return damage(tflite, random)
    for _ in range(20):
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(tflite)))
        for _ in range(random.choice((1, 1, 1, 2, 3))):
            _mutate(model, random)
        try:
            builder = flatbuffers.Builder(len(tflite) + 4096)
            builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
            return bytes(builder.Output())
        except Exception:  # noqa: BLE001  # not every fault can be written: another one then
            continue
    return damage(tflite, random)


def _mutate(model, random):
    """Changes one field of one table, or the order or number of a list of tables."""
    tables = _tables(model)
    kinds = sorted(tables)
    weights = [_WEIGHTS.get(kind, 2 if "Options" in kind else 1) for kind in kinds]
    kind = random.choices(kinds, weights)[0]
    table = random.choice(tables[kind])
    if kind == "OperatorT" and random.random() < 0.1:
        other = random.choice(tables[kind])
        table.builtinOptions, table.builtinOptionsType = (
            other.builtinOptions,
            other.builtinOptionsType,
        )
        return
    keys = [key for key in vars(table) if key != "data"] or list(vars(table))
    if not keys:  # options without a field
        return
    key = random.choice(keys)
    setattr(table, key, _changed(getattr(table, key), random))


_WEIGHTS = {
    "TensorT": 8,
    "OperatorT": 8,
    "SubGraphT": 4,
    "OperatorCodeT": 3,
    "ModelT": 2,
    "BufferT": 2,
    "QuantizationParametersT": 3,
    "SparsityParametersT": 4,
    "DimensionMetadataT": 6,
    "Int32VectorT": 3,
    "Uint16VectorT": 3,
    "Uint8VectorT": 3,
}


def _tables(table, found=None):
    """Every table of a file by its kind."""
    found = {} if found is None else found
    found.setdefault(type(table).__name__, []).append(table)
    for value in vars(table).values():
        for item in value if isinstance(value, list) else [value]:
            if hasattr(item, "__dict__"):
                _tables(item, found)
    return found


def _changed(value, random):
    """A value of the same kind that is wrong in one of many ways."""
    if isinstance(value, bool | np.bool_):
        return not value
    if isinstance(value, int | np.integer):
        near = int(value) + random.choice((-1, 1, 1))
        return random.choice((*NUMBERS, near, near, near, random.randrange(64)))
    if isinstance(value, float | np.floating):
        return random.choice(FLOATS)
    if isinstance(value, bytes):
        return random.choice((None, b"", b"\xff\xfe", value * 2, b"\x1b[2J", b"a" * 5000))
    if isinstance(value, np.ndarray):
        return _changed_array(value, random)
    if isinstance(value, list):
        return _changed_list(value, random)
    if value is None:
        return random.choice((None, [1], [], np.array([0, -1, 7], np.int32), b"x"))
    return None


def _changed_array(value, random):
    value = value.copy()
    way = random.randrange(7)
    if way == 0 or not len(value):
        return random.choice((None, value[:0], np.array([1, 1, 1, 1], value.dtype)))
    if way == 1:
        return value[: random.randrange(len(value))]
    if way == 2:
        return np.concatenate([value, value[: random.randrange(len(value)) + 1]])
    if way == 3:
        return value[::-1].copy()
    at = random.randrange(len(value))
    if value.dtype.kind == "f":
        value[at] = random.choice(FLOATS)
        return value
    near = int(value[at]) + random.choice((-1, 1))
    number = random.choice((*NUMBERS, near, near, near, random.randrange(64)))
    bits = 8 * value.dtype.itemsize
    number &= (1 << bits) - 1
    if value.dtype.kind == "i" and number >> (bits - 1):
        number -= 1 << bits
    value[at] = number
    return value


def _changed_list(value, random):
    value = list(value)
    way = random.randrange(6)
    if way == 0 or not value:
        return random.choice((None, [], value * 2))
    at, other = random.randrange(len(value)), random.randrange(len(value))
    if way == 1:
        del value[at]
    elif way == 2:
        value.insert(other, value[at])
    elif way == 3:
        del value[at:]
    else:
        value[at], value[other] = value[other], value[at]
    return value
