import socket
import subprocess
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from edgeprune.devices.links.shell_line import shell_line_with_status

MARK = "0123456789abcdef"
TOKENS = st.lists(st.text(st.characters(exclude_characters="\n\0", exclude_categories=["Cs"])))


def told(argv, **rest):
    """What a shell prints for a line, past its greeting."""
    line = shell_line_with_status(argv, {"LC_ALL": "C"}, MARK, **rest)
    done = subprocess.run(["sh", "-c", line], input=b"in", capture_output=True, timeout=10)
    assert done.stderr == b""
    return done.stdout.split(b"\n", 1)[1]


@settings(max_examples=40)  # some processes each
@given(TOKENS)
def test_output_status_and_complaints_come_in_this_order(tokens):
    script = 'printf "%s\\n" "$@"; echo err >&2; exit 7'
    found = told(["sh", "-c", script, "sh", *tokens], reads_input=False)
    printed = "".join(f"{token}\n" for token in tokens) or "\n"
    assert found == printed.encode() + f"{MARK}7\nerr\n{MARK}".encode()


def test_input_is_handed_over_only_where_it_is_wanted():
    assert told(["cat"], reads_input=True) == f"in{MARK}0\n{MARK}".encode()
    assert told(["cat"], reads_input=False) == f"{MARK}0\n{MARK}".encode()


def test_input_is_taken_after_the_programs_end_so_that_nothing_printed_is_lost():
    """On a socket, as adbd gives it to ``exec:``."""
    near, far = socket.socketpair()
    line = shell_line_with_status(
        ["sh", "-c", "sleep 0.1; echo err >&2; exit 7"], {}, MARK, reads_input=True
    )
    with near, subprocess.Popen(["sh", "-c", line], stdin=far, stdout=far, stderr=far) as shell:
        far.close()
        near.sendall(bytes(50_000))
        time.sleep(1.0)  # the program has ended by now
        near.sendall(bytes(50_000))
        found = b""
        while not found.endswith(f"{MARK}7\nerr\n{MARK}".encode()):
            part = near.recv(1000)
            assert part, found
            found += part
        near.shutdown(socket.SHUT_RDWR)
        assert shell.wait(5) == 0
