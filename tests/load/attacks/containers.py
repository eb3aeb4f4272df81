"""Attacks through JSON, zip and HDF5, below what Keras itself looks at."""

from __future__ import annotations

import io
import json
import struct
import warnings
import zipfile

import h5py
import numpy as np
from load.attacks import Attack
from load.attacks.files import good, h5_file, network, weights, zip_file


def _zip(make):
    """An attack by a ``.keras`` file: ``make(path, target)`` writes it."""

    def attack(target):
        path = target.folder / "model.keras"
        make(path, target)
        return path

    return attack


def _both(change, name, source):
    """An edit of HDF5 content: in a ``.h5``, and in the file inside a ``.keras``."""

    def plain(target):
        return h5_file(target.folder / "model.h5", good(), change=lambda f: change(f, target))

    def inside(target):
        inner = weights(lambda f: change(f, target))
        return zip_file(target.folder / "model.keras", good(), inner=inner)

    return [Attack(f"{name} (.h5)", source, plain), Attack(f"{name} (.keras)", source, inside)]


def climbing_member(path, t):
    name = "assets/" + "../" * 12 + str(t.canary).lstrip("/")
    zip_file(path, good(), extra=[(name, "x")])


def absolute_member(path, t):
    zip_file(path, good(), extra=[(str(t.canary), "x")])


def symlink_member(path, t):
    link = zipfile.ZipInfo("assets/link")
    link.external_attr = 0o120777 << 16
    zip_file(path, good(), extra=[(link, str(t.secret))])


def doubled_member(path, t):
    zip_file(path, good())
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("config.json", json.dumps(network()))


def unknown_member(path, t):
    zip_file(path, good(), extra=[("model.weights.npz", b"PK")])


def pickled_member(path, t):
    zip_file(path, good(), extra=[("data.pkl", b"cos\nsystem\n(S'id'\ntR.")])


def overlapping_members(path, t):
    """Two entries of the directory that name the same bytes."""
    zip_file(path, good(), extra=[("assets/a", "x" * 50), ("assets/b", "x" * 50)])
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        first, second = (archive.getinfo(f"assets/{n}").header_offset for n in "ab")
        central = content.index(b"assets/b", archive.start_dir)
    struct.pack_into("<I", content, central - 4, first)
    assert second != first
    path.write_bytes(content)


def deflate_bomb(path, t):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("config.json", json.dumps(good()))
        archive.writestr("metadata.json", '{"keras_version": "3.13.2"}')
        archive.writestr("model.weights.h5", bytes(300 << 20))


def lying_size(path, t):
    """A member that says it unpacks to 3 GB."""
    zip_file(path, good())
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        central = content.index(b"model.weights.h5", archive.start_dir) - 46
    struct.pack_into("<I", content, central + 24, 3_000_000_000)
    path.write_bytes(content)


def encrypted_member(path, t):
    zip_file(path, good())
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        central = content.index(b"config.json", archive.start_dir) - 46
    struct.pack_into("<H", content, central + 8, 1)
    path.write_bytes(content)


def exotic_compression(path, t):
    zip_file(path, good())
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        central = content.index(b"config.json", archive.start_dir) - 46
    struct.pack_into("<H", content, central + 10, 98)
    path.write_bytes(content)


def no_hdf5_inside(path, t):
    zip_file(path, good(), inner=b"cos\nsystem\n(S'id'\ntR.")


def user_block(path, t):
    stream = io.BytesIO()
    with h5py.File(stream, "w", userblock_size=512) as file:
        file.create_dataset("layers/dense/vars/0", data=np.ones((4, 2), "f4"))
    zip_file(path, good(), inner=stream.getvalue())


def deep_json(path, t):
    zip_file(path, '{"class_name": "Functional", "config": ' + "[" * 200_000)


def deep_objects(path, t):
    zip_file(path, '{"class_name":"Sequential","config":' * 900 + "1" + "}" * 900)


def doubled_key(path, t):
    text = json.dumps(good())
    zip_file(path, text[:-1] + ', "class_name": "Lambda"}')


def many_objects(path, t):
    zip_file(path, '{"class_name": "Functional", "config": [' + "{}," * 600_000 + "{}]}")


def many_values(path, t):
    zip_file(path, '{"class_name": "Functional", "config": [' + "1," * 5_000_000 + "1]}")


def huge_number(path, t):
    zip_file(path, '{"class_name": "Functional", "config": ' + "9" * 100_000 + "}")


def no_description(path, t):
    zip_file(path, "[1, 2, 3]")


def external_link(f, t):
    f["model_weights_link"] = h5py.ExternalLink(str(t.secret), "/")


def soft_link(f, t):
    f["elsewhere"] = h5py.SoftLink("/layers")


def external_data(f, t):
    f.create_dataset("raw", (64,), "u1", external=[(str(t.secret), 0, 64)])


def virtual_data(f, t):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource(str(t.secret), "/x", (4,))
    f.create_virtual_dataset("virtual", layout)


def shape_bomb(f, t):
    f.create_dataset("bomb", (50_000_000, 50_000_000), "f4", chunks=(1000, 1000), compression=9)


def plain_bomb(f, t):
    f.create_dataset("bomb", (1 << 40,), "f4")


def group_that_holds_itself(f, t):
    group = f.create_group("ring")
    group["a"] = group
    group["b"] = group


def shared_data(f, t):
    f["again"] = f.create_dataset("once", data=np.ones(10, "f4"))


def reference(f, t):
    data = f.create_dataset("references", (1,), dtype=h5py.ref_dtype)
    data[0] = f.ref


def reference_in_attribute(f, t):
    f.attrs["reference"] = f.ref


def object_strings(f, t):
    f.create_dataset("texts", data=["a", "b"], dtype=h5py.string_dtype())


def foreign_filter(f, t):
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((4,))
    plist.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, ())
    h5py.h5d.create(f.id, b"packed", h5py.h5t.NATIVE_FLOAT, h5py.h5s.create_simple((4,)), plist)


def committed_type(f, t):
    f["kind"] = np.dtype("f4")


def many_attributes(f, t):
    group = f.create_group("crowd", track_order=True)
    for k in range(2000):
        group.attrs[f"a{k}"] = 1


def chunk_bomb(f, t):
    """Ten bytes in a chunk that unpacks to a gigabyte, and any number of them."""
    f.create_dataset("bomb", (10,), "u1", maxshape=(None,), chunks=(1 << 30,), compression=1)


def many_groups(f, t):
    group = f
    for _ in range(80):
        group = group.create_group("g")


_ZIP = {
    climbing_member: "zip slip: CVE-2025-12060 and its like",
    absolute_member: "zip: an absolute name",
    symlink_member: "zip: a symbolic link",
    doubled_member: "zip: the same name twice, so that two readers differ",
    unknown_member: "zip: weights as npz",
    pickled_member: "zip: a pickle",
    overlapping_members: "zip: overlapping members",
    deflate_bomb: "zip bomb",
    lying_size: "zip: a size that cannot be",
    encrypted_member: "zip: an encrypted member",
    exotic_compression: "zip: an exotic compression",
    no_hdf5_inside: "zip: weights that are no HDF5",
    user_block: "HDF5: something before the data",
    deep_json: "JSON: lists in lists, 200,000 deep",
    deep_objects: "JSON: networks in networks, 900 deep",
    doubled_key: "JSON: the same key twice",
    many_objects: "JSON: 600,000 objects",
    many_values: "JSON: 5 million numbers",
    huge_number: "JSON: a number of 100,000 digits",
    no_description: "JSON: no description",
}
_HDF5 = {
    external_link: "HDF5: an external link",
    soft_link: "HDF5: a soft link",
    external_data: "HDF5: data in another file",
    virtual_data: "HDF5: a virtual dataset over another file",
    shape_bomb: "CVE-2026-0897: a shape of 10 PB",
    plain_bomb: "CVE-2026-0897: without compression",
    group_that_holds_itself: "HDF5: a group that holds itself, twice",
    shared_data: "HDF5: one dataset at two places",
    reference: "HDF5: references as data",
    reference_in_attribute: "HDF5: a reference as attribute",
    object_strings: "HDF5: texts as data",
    foreign_filter: "HDF5: a filter that would load a library",
    committed_type: "HDF5: a type of its own",
    many_attributes: "HDF5: attributes without end",
    chunk_bomb: "HDF5: a small dataset in a chunk of 1 GB",
    many_groups: "HDF5: groups 80 deep",
}
ATTACKS = [
    *(Attack(source, source, _zip(make)) for make, source in _ZIP.items()),
    *(a for make, source in _HDF5.items() for a in _both(make, source, source)),
]
