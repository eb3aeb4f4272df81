"""The whole line on a device behind a real sshd."""

import io
import threading

import emulated
import nets
import pytest
from fast_recipe import FAST, request
from full_range import also
from rich.console import Console

from edgeprune import cli, verify
from edgeprune.agents import build, runtime
from edgeprune.devices.bench import choose_device, load_bench
from edgeprune.devices.boards import load_board, resolved_cpu
from edgeprune.devices.links.ssh.host_keys import trust_host_key
from edgeprune.devices.toolchain.zig import host_isa
from edgeprune.devices.transports.base import TRANSPORTS
from edgeprune.history import runs
from edgeprune.pipeline import deploy, device_half
from edgeprune.progress import Progress
from edgeprune.push import push

pytestmark = [pytest.mark.device]


@pytest.fixture
def over_ssh(folder, lab, monkeypatch):
    """A board like this machine that is reached over SSH, and a bench with one of them."""
    text = (emulated.SHIPPED / "local.toml").read_text()
    text = text.replace('"local"', '"box"', 1).replace(
        'use = "local"', 'use = "ssh"\nfolder = "ep"'
    )
    text = text.replace('isa      = "host"', f'isa = "{host_isa()}"')
    (folder / "boards").mkdir()
    (folder / "boards" / "box.toml").write_text(text)
    monkeypatch.setenv("EDGEPRUNE_BOARDS", str(folder / "boards"))
    assert resolved_cpu(load_board("box").cpu).isa == host_isa()
    (folder / "bench.toml").write_text(
        f'[devices.box-1]\nboard = "box"\nhost = "{lab.device.address}"\nuser = "root"\n'
        f'key = "{lab.key}"\n'
    )
    trust_host_key("box-1", lab.device.host_key())
    return folder


def test_a_device_behind_a_real_sshd_is_measured_and_left_clean(over_ssh, lab):
    folder = over_ssh
    bench = folder / "bench.toml"
    outcome = deploy(request(folder, "box", bench=bench, output=folder / "out"), Progress())
    assert outcome.result.device.id == "box-1"
    assert [variant.name for variant in outcome.result.variants] == ["dense", "deployed"]
    for variant in outcome.result.variants:
        assert variant.latency_us.runs == 8
        assert variant.parity.where.startswith("box-1")
        states = [session.state for session in variant.sessions]
        assert all(state.wait_share is not None and state.load_1min >= 0 for state in states)
    assert lab.gone("edgeprune-agent")
    names = {path.name for path in (lab.device.home / "ep").rglob("*") if path.is_file()}
    assert names == {"edgeprune-agent", "libLiteRt.so", "dense.tflite", "deployed.tflite"}


def test_a_file_that_is_run_to_find_a_fault_is_gone_from_the_device_afterwards(over_ssh, lab):

    board = load_board("box")
    device = choose_device(load_bench(over_ssh / "bench.toml"), board, None)
    tflite = nets.eligible()
    samples = verify.sample_inputs(tflite, None, 3)
    library = runtime.library(board.cpu.isa, board.runtime.version)
    with TRANSPORTS.get("ssh")(board, device) as transport:
        pushed = push(transport, [build.agent(board.agent.target), library.path])
        agent, runtime_path = (item.path for item in pushed)
        found = device_half.infer_once(transport, agent, runtime_path, tflite, samples)
    expected = verify.reference_outputs(tflite, samples)
    assert verify.parity(tflite, expected, found, "box").passed
    left = list((lab.device.home / "ep").rglob("*"))
    assert all(path.name != "probe.tflite" for path in left)
    assert all(any(path.iterdir()) for path in left if path.is_dir())


def test_a_device_that_does_not_answer_is_told_before_anything_is_compressed(over_ssh, lab, capsys):
    lab.cut()
    try:
        with pytest.raises(SystemExit) as done:
            cli.main(["deploy", "net.tflite", "--board", "box", "--bench", "bench.toml", "-v"])
    finally:
        lab.mend()
    assert done.value.code == 3
    log = capsys.readouterr().err
    assert "connect" in log and "convert" not in log


@pytest.mark.parametrize("after_s", [also(0.2), 0.6, also(1.2)])
def test_a_connection_lost_on_the_way_is_exit_code_3_and_the_next_run_succeeds(
    over_ssh, lab, after_s, capsys
):
    folder = over_ssh
    (folder / "long.toml").write_text("[run]\nsessions = 50\nruns = 1000\n")
    argv = ["deploy", "net.tflite", "--board", "box", "--bench", "bench.toml", "--output", "out"]
    ended = threading.Event()

    def strike():
        """From then on: at a single moment there might be no connection."""
        ended.wait(after_s)
        while not ended.wait(0.05):
            lab.device.kill_sessions()

    striking = threading.Thread(target=strike)
    striking.start()
    try:
        with pytest.raises(SystemExit) as done:
            cli.main([*argv, "--recipe", "long.toml"])
    finally:
        ended.set()
        striking.join()
    assert done.value.code == 3, capsys.readouterr().err
    assert not (folder / "out").exists()
    assert lab.gone("edgeprune-agent")
    with pytest.raises(SystemExit) as done:
        cli.main([*argv, "--recipe", "fast.toml"])
    assert done.value.code == 0


def test_two_runs_on_one_device_take_turns(over_ssh):
    """Their windows on the device's own clock do not overlap, and one says whom it waits for."""
    folder, logs, found = over_ssh, [io.StringIO(), io.StringIO()], []

    def run(log):
        asked = request(folder, "box", bench=folder / "bench.toml")
        with Progress(Console(file=log, width=200)) as progress:
            found.append(deploy(asked, progress).result)

    (folder / "fast.toml").write_text(FAST.replace("sessions = 2", "sessions = 5"))
    running = [threading.Thread(target=run, args=(log,)) for log in logs]
    for one in running:
        one.start()
    for one in running:
        one.join(600)
    assert len(found) == 2 and len(runs()) == 2
    windows = []
    for result in found:
        sessions = [session for variant in result.variants for session in variant.sessions]
        windows.append((min(s.begin_s for s in sessions), max(s.end_s for s in sessions)))
    (_, first_end), (second_begin, _) = sorted(windows)
    assert first_end < second_begin
    # Both may, where the run of the test before ends late.
    assert any("waiting for box-1, for 60 min at most: in use by" in o.getvalue() for o in logs)
