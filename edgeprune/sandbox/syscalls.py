"""A filter of system calls: no sockets, no tracing of others, no new namespaces or mounts.

It needs no privilege and holds in most containers. Source of the numbers: the kernel's
``arch/x86/entry/syscalls/syscall_64.tbl`` and ``include/uapi/asm-generic/unistd.h``.
"""

from __future__ import annotations

import ctypes
import errno
import platform
from dataclasses import dataclass

from edgeprune.sandbox import linux

_SINCE_2019 = {
    "pidfd_send_signal": 424,
    "io_uring_setup": 425,  # it opens sockets by another door
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "pidfd_getfd": 438,
    "mount_setattr": 442,
}

_X86_64 = {
    "socket": 41,
    "ptrace": 101,
    "pivot_root": 155,
    "chroot": 161,
    "mount": 165,
    "umount2": 166,
    "add_key": 248,
    "request_key": 249,
    "keyctl": 250,
    "unshare": 272,
    "perf_event_open": 298,
    "open_by_handle_at": 304,
    "setns": 308,
    "process_vm_readv": 310,
    "process_vm_writev": 311,
    "bpf": 321,
    "userfaultfd": 323,
}

_AARCH64 = {
    "umount2": 39,
    "mount": 40,
    "pivot_root": 41,
    "chroot": 51,
    "unshare": 97,
    "ptrace": 117,
    "socket": 198,
    "add_key": 217,
    "request_key": 218,
    "keyctl": 219,
    "perf_event_open": 241,
    "open_by_handle_at": 265,
    "setns": 268,
    "process_vm_readv": 270,
    "process_vm_writev": 271,
    "bpf": 280,
    "userfaultfd": 282,
}


@dataclass(frozen=True)
class _Machine:
    """One instruction set's numbers.

    Attributes:
        audit: What the kernel calls it.
        denied: Calls by number.
        clone: The call that makes processes and threads.
    """

    audit: int
    denied: tuple[int, ...]
    clone: int


_MACHINES = {
    "x86_64": _Machine(0xC000003E, (*_X86_64.values(), *_SINCE_2019.values()), 56),
    "aarch64": _Machine(0xC00000B7, (*_AARCH64.values(), *_SINCE_2019.values()), 220),
}

_CLONE3 = 435
_NEW_NAMESPACES = 0x7E020000  # all of CLONE_NEW* that clone knows
_X32 = 0x40000000
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _AUDIT_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000
_FILTER_MODE = 2


class _Step(ctypes.Structure):
    _fields_ = [
        ("code", ctypes.c_uint16),
        ("yes", ctypes.c_uint8),
        ("no", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    ]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint16), ("steps", ctypes.POINTER(_Step))]


def refuse() -> None:
    """Refuses those calls from now on, to this process and all that it starts.

    Raises:
        OSError: The kernel offers no filters, or the numbers of this machine are not known.
    """
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        raise OSError(errno.ENOSYS, f"system calls of {platform.machine()} are not known")
    steps = _steps(machine)
    program = _Program(len(steps), (_Step * len(steps))(*steps))
    linux.prctl(linux.PR_SET_SECCOMP, _FILTER_MODE, ctypes.byref(program))


def _steps(machine: _Machine) -> list[_Step]:
    refused = _Step(_RETURN, 0, 0, _REFUSE | errno.EPERM)
    steps = [
        _Step(_LOAD, 0, 0, _AUDIT_AT),
        _Step(_IF_EQUAL, 1, 0, machine.audit),  # the 32-bit calls have other numbers
        refused,
        _Step(_LOAD, 0, 0, _NUMBER_AT),
        _Step(_IF_AT_LEAST, 0, 1, _X32),
        refused,
        # A filter cannot look into its arguments; without it, the library takes clone.
        _Step(_IF_EQUAL, 0, 1, _CLONE3),
        _Step(_RETURN, 0, 0, _REFUSE | errno.ENOSYS),
    ]
    for number in machine.denied:
        steps += [_Step(_IF_EQUAL, 0, 1, number), refused]
    return [
        *steps,
        _Step(_IF_EQUAL, 0, 3, machine.clone),
        _Step(_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
        _Step(_IF_ANY_BIT, 0, 1, _NEW_NAMESPACES),
        refused,
        _Step(_RETURN, 0, 0, _ALLOW),
    ]
