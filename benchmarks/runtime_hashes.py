"""Makes ``edgeprune/agents/runtime_hashes.toml`` anew, from wheels that pip downloads.

    python benchmarks/runtime_hashes.py 2.1.0 2.1.1 ... 2.3.0 > edgeprune/agents/runtime_hashes.toml

The digests are of what is published now: compare them with those that are there before you commit.
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ISAS = ("aarch64", "x86_64")
BOARD_PYTHONS = ("3.7", "3.8", "3.9", "3.10", "3.11")
BOARD_VERSIONS = "2.7.0 2.8.0 2.9.1 2.10.0 2.11.0 2.12.0 2.13.0 2.14.0".split()
BOARD_PLATFORMS = ("manylinux_2_34_armv7l", "manylinux2014_armv7l")
HEAD = """\
# SHA-256 of the runtimes that edgeprune fetches, runs and pushes, by release and processor.
# Made by benchmarks/runtime_hashes.py: `library` is libLiteRt.so in the wheel for Python 3.11,
# which is the same in those for 3.10 to 3.13 (compared for 2.1.0 and 2.3.0).
"""


def downloaded(requirement: str, python: str, platforms: tuple[str, ...]) -> list[Path]:
    """The wheel, or none where there is none."""
    folder = Path(tempfile.mkdtemp(prefix="edgeprune-hashes-"))
    argv = [sys.executable, "-m", "pip", "download", requirement, "--no-deps", "--quiet"]
    argv += ["--only-binary", ":all:", "--python-version", python, "--dest", str(folder)]
    argv += [word for platform in platforms for word in ("--platform", platform)]
    subprocess.run(argv, check=False, stderr=subprocess.DEVNULL, timeout=600)
    return list(folder.glob("*.whl"))


def sha256(data: bytes) -> str:
    """As hex digits."""
    return hashlib.sha256(data).hexdigest()


def main() -> None:
    """Prints the file."""
    libraries, wheels, board_wheels = {}, {}, {}
    for version in sys.argv[1:]:
        for isa in ISAS:
            platform = (f"manylinux_2_27_{isa}",)
            for wheel in downloaded(f"ai-edge-litert=={version}", "3.11", platform):
                library = zipfile.ZipFile(wheel).read("ai_edge_litert/libLiteRt.so")
                libraries[f"{version} {isa}"] = sha256(library)
                wheels[f"{version} {isa}"] = sha256(wheel.read_bytes())
    for version in BOARD_VERSIONS:
        for python in BOARD_PYTHONS:
            for wheel in downloaded(f"tflite-runtime=={version}", python, BOARD_PLATFORMS):
                board_wheels[wheel.name] = sha256(wheel.read_bytes())
    print(HEAD)
    tables = {"library": libraries, "wheel": wheels, "board_wheel": board_wheels}
    for name, table in tables.items():
        print(f"[{name}]")
        print("".join(f'"{key}" = "{digest}"\n' for key, digest in table.items()))


if __name__ == "__main__":
    main()
