import subprocess

from hypothesis import given, settings
from hypothesis import strategies as st

from edgeprune.shell_line import shell_line_told

MARK = "0123456789abcdef"
TOKENS = st.lists(st.text(st.characters(exclude_characters="\n\0", exclude_categories=["Cs"])))


def told(argv, **rest):
    """What a shell prints for a line, past its greeting."""
    line = shell_line_told(argv, {"LC_ALL": "C"}, MARK, **rest)
    done = subprocess.run(["sh", "-c", line], input=b"in", capture_output=True, timeout=10)
    assert done.stderr == b""
    return done.stdout.split(b"\n", 1)[1]


@settings(max_examples=40)  # some processes each
@given(TOKENS)
def test_output_status_and_complaints_come_in_this_order(tokens):
    script = 'printf "%s\\n" "$@"; echo err >&2; exit 7'
    found = told(["sh", "-c", script, "sh", *tokens], reads_input=False)
    printed = "".join(f"{token}\n" for token in tokens) or "\n"
    assert found == printed.encode() + f"{MARK}7\nerr\n".encode()


def test_input_is_handed_over_only_where_it_is_wanted():
    assert told(["cat"], reads_input=True) == f"in{MARK}0\n".encode()
    assert told(["cat"], reads_input=False) == f"{MARK}0\n".encode()
