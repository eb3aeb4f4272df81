"""Everything that edgeprune reads: whole files of each kind, their damage, and their readers."""

import contextlib
import functools
import io
import json
import os
import tempfile
import zlib
from collections import namedtuple
from pathlib import Path

import container_files
import nets
import numpy as np
import results
from damage import damage
from damaged_text import damaged_text, reworded

from edgeprune.agents.wire import Frame, read_frame
from edgeprune.agents.wire import pack as pack_frame
from edgeprune.devices.bench import load_bench
from edgeprune.devices.boards import load_board
from edgeprune.devices.device import MeterTable
from edgeprune.errors import EdgepruneError
from edgeprune.files import paths
from edgeprune.models.epz import pack, unpack
from edgeprune.recipe import load_recipe

INPUTS = (
    "epz",
    "result",
    "history",
    "recipe",
    "bench",
    "board",
    "npz",
    "meter",
    "frame",
    "keys",
    "ssh",
)

Input = namedtuple("Input", "damaged read")
"""``damaged(random)`` makes a file's bytes, ``read(bytes)`` does what the commands do with it."""


def inputs(models=None):
    """Every kind of file but ``.tflite``, by name."""
    return {
        "epz": Input(_epz(models), lambda packed: unpack(packed, 1 << 22)),
        "result": Input(damaged_text(_results()), _read_result),
        "history": Input(damaged_text(_results()), _read_history),
        "recipe": Input(damaged_text(_recipes()), _read_recipe),
        "bench": Input(damaged_text([_BENCH]), _read_bench),
        "board": Input(damaged_text(_boards()), _read_board),
        "npz": Input(_binary(_npz()), _read_npz),
        "meter": Input(damaged_text(_LOGS), _read_meter),
        "frame": Input(_frame, _read_frame),
        "keys": Input(damaged_text([_KEYS]), _read_keys),
        "ssh": Input(damaged_text([_SSH]), _read_ssh),
    }


def _binary(wholes):
    return lambda dice: damage(dice.choice(wholes), dice)


@contextlib.contextmanager
def _file(content, name):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        yield path


def _epz(models):
    """Containers whose content is wrong and whose checksum is right."""
    files = [
        nets.eligible(),
        container_files.sparse_net(container_files.clustered((64, 96), 0.1, 16)),
    ]
    files += [f.read_bytes() for f in sorted(Path(models).glob("kws*.tflite"))] if models else []
    packed = [pack(one) for one in files]

    def damaged(dice):
        body = damage(dice.choice(packed)[:-4], dice)
        return body + zlib.crc32(body).to_bytes(4, "little")

    return damaged


def _results():
    times = [tuple(range(100 + k, 130 + k)) for k in range(6)]
    dense = results.variant("dense", times, accuracy=results.top1(0.9))
    deployed = results.variant("deployed", times, layers=[results.layer("a"), results.layer("b")])
    counted = [results.counted("dense", 1000), results.counted("deployed", 500)]
    made = [results.result_of(dense, deployed), results.result_of(*counted)]
    return [json.dumps(results.document(result), indent=1) for result in made]


def _read_result(content):
    """``report`` with its page, and ``compare`` in both directions."""
    from rich.console import Console

    from edgeprune.history.result_file import json_text, parse_result, read_result
    from edgeprune.report.compare import compare
    from edgeprune.report.compare_markdown import context, markdown
    from edgeprune.report.page import render
    from edgeprune.report.regressions import Limits, regressions, unchecked
    from edgeprune.report.terminal import print_layers, print_report
    from edgeprune.significance.run_noise import RunNoise

    with _file(content, "result.json") as path:
        found = read_result(path)
    console = Console(file=io.StringIO(), width=100)
    print_report(found, console=console)
    print_layers(found, console=console)
    render(found)
    json_text(found)
    whole = parse_result(json.loads(_results()[0]))
    for base, new in ((found, whole), (whole, found), (found, found)):
        for noise in (None, RunNoise(0.01, 9, 12, 3)):
            changes = compare(base, new, noise, across_devices=True)
            regressions(changes, Limits(1.0)), unchecked(changes, Limits(1.0))
            markdown(("a", "b"), base, new, changes, [])
        context(base, new)


def _read_history(content):
    """A row of the history, as its list and the page's earlier runs read it."""
    from rich.console import Console

    from edgeprune.history.place import place
    from edgeprune.history.queries import run_of
    from edgeprune.history.result_file import parse_result
    from edgeprune.report.page import render
    from edgeprune.report.runs import print_runs

    text = content.decode("utf-8", "replace")
    keys = ("time_utc", "edgeprune_version", "board", "device", "model_sha256", "model_path")
    values = ("2026-01-01T00:00:00+00:00", "0.1.0", "rpi4", "desk", "ab" * 32, "m.h5")
    run = run_of({"id": 1, **dict(zip(keys, values, strict=True)), "result": text}, place())
    print_runs([run], Console(file=io.StringIO(), width=100))
    render(parse_result(json.loads(_results()[0])), [run])


def _recipes():
    folder = Path(load_recipe.__code__.co_filename).parent.parent / "recipes"
    return [file.read_text() for file in sorted(folder.glob("*.toml"))] + [_RECIPE]


_RECIPE = """
why = "a test"
[prune]
sparsity = 0.8
pattern = "2x1"
schedule = "gradual"
epochs = 3
learning_rate = 0.001
ignored = ["head", "re:conv.*"]
limits = [{layer = "mix", sparsity = 0.5}]
[channels]
pruning_ratio = 0.5
[cluster]
clusters = 16
[quantize]
mode = "int8"
calibration_samples = 100
[verify]
samples = 4
[run]
sessions = 5
runs = 50
warmup = 3
"""


def _read_recipe(content):
    from edgeprune.recipe import with_channels, write_recipe

    with _file(content, "r.toml") as path:
        found = with_channels(load_recipe(str(path)))
        write_recipe(found, path)
        load_recipe(str(path))


_BENCH = """
[grid]
g_per_kwh = 400.0
source = "a test"
[devices.desk-pi]
board = "rpi4"
host = "10.0.0.4"
user = "pi"
port = 2222
jump = "me@gate:22"
cpus = [2, 3]
[devices.desk-pi.meter]
use = "csv"
at = "log.csv"
voltage_v = 5.1
rails = ["a"]
[devices.phone]
board = "pixel-8"
serial = "ABC"
"""


def _read_bench(content):
    from edgeprune.devices.bench import choose_device, choose_meters

    with _file(content, "bench.toml") as path:
        bench = load_bench(path)
    board = load_board("rpi4")
    device = choose_device(bench, board, None)
    choose_meters(bench, board, device, None, None)


def _boards():
    return [file.read_text() for file in sorted(paths.shipped("boards").glob("*.toml"))]


def _read_board(content):
    import dataclasses

    from edgeprune.devices.boards import parse_board
    from edgeprune.files.tables import read_toml

    with _file(content, "b.toml") as path:
        raw = read_toml(path)
        board = parse_board(raw, str(path), str(raw.get("name")))
    json.dumps(dataclasses.asdict(board), allow_nan=False)


def _npz():
    found = []
    for compressed in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        x = np.random.default_rng(0).random((20, 4, 4, 1), np.float32)
        compressed(file, x_train=x, y_train=np.arange(20) % 3, x_test=x, y_test=np.arange(20) % 3)
        found.append(file.getvalue())
    return found


@functools.cache
def _classifier():
    net = nets.Net()
    x = net.input(1, 4, 4, 1)
    return net.build(net.dense(net.mean(net.conv(x, 4, kernel=3)), 3))


def _read_npz(content):
    from edgeprune.data import load_data

    with _file(content, "d.npz") as path:
        load_data(str(path), _classifier())


_LOGS = [
    "Time (s),Current (mA),Voltage (V)\n"
    + "".join(f"{1764000000 + k / 10:.1f},{500 + k},{5.1}\n" for k in range(40)),
    "timestamp;Power (W)\n" + "".join(f"2026-11-28T10:00:{k:02d},5;1,{k}\n" for k in range(40)),
    "Time (ms)\tEnergy (J)\n" + "".join(f"{k * 100}\t{k / 7:.3f}\n" for k in range(40)),
]


def _read_meter(content):
    """A log as the meter in the supply line reads it, its end not waited for."""
    from edgeprune.meters.base import Site
    from edgeprune.meters.csv import Csv

    with _file(content, "log.csv") as path:
        table = MeterTable("csv", str(path), zero="2026-11-28T10:00:00", voltage_v=None)
        meter = Csv(Site(None, None, table))
        meter.open()
        meter._offset, meter.late_s = 0, 0.0
        with contextlib.suppress(EdgepruneError):
            meter.stop()
        rows = __import__("edgeprune.meters._meter_log", fromlist=["x"]).parse_rows(
            meter._whole_lines(0), meter._layout
        )
        if len(rows) > 1:
            meter._trace(rows[:, 0], rows, meter._layout)


def _frame(dice):
    """Frames with a right checksum around odd JSON, or damaged anywhere."""
    whole = pack_frame(Frame({"id": 1, "ok": True, "values": [1, 2.5, "x"]}, b"blob"))
    if dice.random() < 0.5:
        return damage(whole, dice)
    text = reworded('{"id": 1, "ok": true, "values": [1, 2.5, "x"]}', dice)
    body = text.encode("utf-8", "surrogatepass")
    lengths = len(body).to_bytes(4, "little") + (2).to_bytes(4, "little")
    crc = zlib.crc32(b"xy", zlib.crc32(body, zlib.crc32(lengths)))
    return b"EPF2" + lengths + crc.to_bytes(4, "little") + body + b"xy"


def _read_frame(content):
    from edgeprune.errors import DeviceError

    stream = io.BytesIO(content)

    def read(size):
        data = stream.read(size)
        if len(data) < size:
            raise DeviceError("the stream ended")
        return data

    frame = read_frame(read, 1024)
    json.dumps(frame.message, allow_nan=False)


_KEYS = json.dumps(
    {"desk-pi": {"type": "ssh-ed25519", "key": "AAAAC3NzaC1lZDI1NTE5AAAAIA=="}}, indent=1
)


def _read_keys(content):
    from edgeprune.devices.links.ssh.host_keys import _read

    with _file(content, "keys.json") as path:
        for key in _read(path).values():
            key.fingerprint  # noqa: B018


_SSH = """
Host desk-pi
    HostName 10.0.0.4
    User pi
    Port 2222
    IdentityFile ~/.ssh/id_ed25519
    ProxyJump me@gate:22,other
    ConnectTimeout 5
Host *.lab !x.lab
    ServerAliveInterval 10
Match host "a,b" user root
    Port 23
"""


def _read_ssh(content):
    from edgeprune.devices.device import Device
    from edgeprune.devices.links.ssh.config import route_to

    with tempfile.TemporaryDirectory() as home:
        (Path(home) / ".ssh").mkdir()
        (Path(home) / ".ssh" / "config").write_bytes(content)
        old, os.environ["HOME"] = os.environ.get("HOME", "/"), home
        try:
            route_to(Device("rpi4", "desk-pi", "desk-pi"))
        finally:
            os.environ["HOME"] = old
