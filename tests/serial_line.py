"""An emulated microcontroller that runs our firmware, and a host that speaks its protocol."""

import contextlib
import json
import socket
import struct
import subprocess
import tempfile
import time
import zlib
from pathlib import Path

from edgeprune.firmware.build import built

TIMEOUT_S = 60.0


class Refused(Exception):
    """The firmware answered that it will not."""


def frame(message, blob=b""):
    """The bytes of a frame."""
    text = json.dumps(message, separators=(",", ":")).encode()
    lengths = struct.pack("<II", len(text), len(blob))
    crc = struct.pack("<I", zlib.crc32(lengths + text + blob))
    return b"EPF2" + lengths + crc + text + blob


class Line:
    """Sends requests and reads answers over a connected socket.

    Attributes:
        lease: What each request holds of a farm's lease.
    """

    def __init__(self, connection):
        self.connection = connection
        self.buffered = b""
        self.id = 0
        self.sent_bytes = self.received_bytes = 0
        self.lease = {}

    def read(self, count):
        while len(self.buffered) < count:
            more = self.connection.recv(65536)
            if not more:
                raise EOFError("the device closed the line")
            self.received_bytes += len(more)
            self.buffered += more
        taken, self.buffered = self.buffered[:count], self.buffered[count:]
        return taken

    def read_until(self, end):
        text = b""
        while not text.endswith(end):
            text += self.read(1)
        return text

    def send(self, data):
        self.sent_bytes += len(data)
        self.connection.sendall(data)

    def send_frame(self, message, blob=b""):
        self.send(frame(message, blob))

    def read_frame(self):
        """The next answer; text before it is skipped."""
        self.read_until(b"EPF2")
        lengths = self.read(8)
        json_bytes, blob_bytes = struct.unpack("<II", lengths)
        (crc,) = struct.unpack("<I", self.read(4))
        text, blob = self.read(json_bytes), self.read(blob_bytes)
        assert crc == zlib.crc32(lengths + text + blob)
        return json.loads(text), blob

    def ask(self, cmd, blob=b"", **keys):
        """Sends one request; returns what the answer says, and its blob."""
        self.id += 1
        return self.answer_to({"id": self.id, "cmd": cmd, **self.lease, **keys}, blob)

    def answer_to(self, request, blob=b""):
        """Sends a request, and skips answers to earlier ones, which came too late."""
        self.send_frame(request, blob)
        answer, blob = self.read_frame()
        while answer.pop("id") != request["id"]:
            answer, blob = self.read_frame()
        if not answer.pop("ok"):
            raise Refused(answer["error"])
        return answer, blob

    def say(self, command):
        """Sends a line of text, MLPerf Tiny's way; returns the lines of the answer."""
        self.send(command.encode() + b"%")
        text = self.read_until(b"m-ready\r\n").decode()
        return text.removesuffix("m-ready\r\n").splitlines()

    def ask_until_answered(self, cmd, **keys):
        """As after a pulled cable: the firmware may wait for the rest of a frame for 5 seconds."""
        self.id += 1
        self.connection.settimeout(6)
        end = time.monotonic() + TIMEOUT_S
        while True:
            try:
                return self.answer_to({"id": self.id, "cmd": cmd, **keys})[0]
            except TimeoutError:
                assert time.monotonic() < end, "no answer"
            finally:
                self.connection.settimeout(TIMEOUT_S)

    def store(self, plan):
        """Uploads a plan and puts it to use."""
        piece_bytes = self.ask("hello")[0]["blob_bytes"]
        at = self.ask("store_begin", bytes=len(plan), crc32=zlib.crc32(plan))[0]["at"]
        while at < len(plan):
            at = self.ask("store", plan[at : at + piece_bytes], at=at)[0]["at"]
        return self.ask("store_end")[0]

    def outputs_of(self, inputs, piece_bytes=4096):
        """The first output of the loaded network, as bytes, for the bytes of its first input."""
        for at in range(0, len(inputs), piece_bytes):
            self.ask("input", inputs[at : at + piece_bytes], tensor=0, at=at)
        self.ask("infer")
        return self.ask("output", tensor=0, at=0, bytes=self.output_bytes)[1]

    def restart(self):
        """Lets the firmware start anew; what is sent before it greets is lost."""
        self.ask("reset")
        self.read_until(b"m-ready\r\n")

    def load(self):
        answer = self.ask("load")[0]
        self.output_bytes = answer["outputs"][0]["bytes"]
        return answer


@contextlib.contextmanager
def connected(path):
    """A socket to what listens, or will listen soon, at ``path``."""
    end = time.monotonic() + TIMEOUT_S
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT_S)
        while True:
            try:
                connection.connect(str(path))
                break
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
        yield connection


@contextlib.contextmanager
def emulated(board="mps2-an386", extra=(), firmware=None):
    """A ``Line`` to a board in QEMU."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "serial"
        argv = ["qemu-system-arm", "-M", board, "-display", "none", "-monitor", "none"]
        argv += [
            "-serial",
            f"unix:{path},server=on,wait=on",
            "-kernel",
            firmware or built(board),
            *extra,
        ]
        with subprocess.Popen(argv) as process:
            try:
                with connected(path) as connection:
                    line = Line(connection)
                    line.read_until(b"m-ready\r\n")
                    yield line
            finally:
                process.kill()
