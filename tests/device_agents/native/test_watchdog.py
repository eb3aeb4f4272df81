"""What the watchdog may call: it is forked from a process with threads."""

import subprocess

import agent_rig

from edgeprune.files import paths

NATIVE = paths.shipped("device_agents") / "native"
BEHIND_THE_FORK = ("watchdog", "setting", "descriptor")

ALLOWED = {
    *("_exit", "close", "execv", "fork", "kill", "open", "poll", "read", "recv", "send", "setsid"),
    *("signal", "waitpid", "write"),
    *("memchr", "memcpy", "memset", "strcmp", "strcspn", "strlen", "strncmp", "strspn"),
    *("flock", "syscall"),  # system calls, which POSIX does not know
    *("__errno_location", "__stack_chk_fail"),  # of the compiler
}
"""Source: signal-safety(7), which is POSIX.1-2016."""


def symbols(object_file, *options):
    argv = ["nm", *options, "--format=posix", object_file]
    lines = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout
    return {line.split()[0] for line in lines.splitlines()}


def test_the_watchdog_calls_nothing_that_is_not_allowed_between_fork_and_exec(tmp_path):
    needed, own = set(), set()
    for name in BEHIND_THE_FORK:
        made = tmp_path / f"{name}.o"
        argv = ["gcc", *agent_rig.C11, "-O2", "-c", NATIVE / f"{name}.c", "-o", made]
        subprocess.run(argv, check=True, timeout=60)
        needed |= symbols(made, "--undefined-only")
        own |= symbols(made, "--defined-only", "--extern-only")
    assert needed - own <= ALLOWED
