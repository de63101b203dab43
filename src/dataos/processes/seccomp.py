"""The system calls that a sandboxed job may not make, as a program for the kernel (classic BPF).

Namespaces hide things; this takes away calls that attack the kernel itself or undo the sandbox: tracing and reading of
other processes, key rings, BPF, performance events, user fault handling, io_uring, loading of code into the kernel,
mounting, new namespaces, clocks and accounting of the machine. What stays allowed is everything that programs of data
work use; a refused call answers EPERM, `clone3` answers ENOSYS so that C libraries take `clone`, whose flags can be
seen. bubblewrap loads it last, before the job's program; no privilege is needed for that.

No maintained binding of libseccomp comes with wheels for all our platforms (and none without the C library); the
program is a list and a jump each, and is tested on every call by an interpreter and in the kernel.
Source: linux/seccomp.h, linux/bpf_common.h, syscall tables of Linux 6.x for x86-64 and the generic table (arm64).
"""

from __future__ import annotations

import errno
import platform
import struct

ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
_LOAD, _JUMP_EQ, _JUMP_GE, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_AT_NUMBER, _AT_ARCH, _AT_ARGUMENT = 0, 4, 16
_X32 = 0x40000000
_NAMESPACES = 0x02000000 | 0x00020000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000 | 0x00000080
"""CLONE_NEWCGROUP, NS, UTS, IPC, USER, PID, NET, TIME."""
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C

# name -> (x86-64, arm64); None: the architecture does not have it
CALLS: dict[str, tuple[int | None, int | None]] = {
    "_sysctl": (156, None),
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "modify_ldt": (154, None),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "userfaultfd": (323, 282),
    "uselib": (134, None),
    "vhangup": (153, 58),
}
CLONE3 = (435, 435)
_CLONE, _UNSHARE, _IOCTL = (56, 220), (272, 97), (16, 29)

_MACHINES = {"x86_64": (0, 0xC000003E), "amd64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7), "arm64": (1, 0xC00000B7)}


LINKS: dict[str, tuple[int | None, int | None]] = {"symlink": (88, None), "symlinkat": (266, 36)}
"""What makes symbolic links. Hard links cannot leave a folder that is shown: each is a mount of its own (EXDEV)."""


def program(machine: str | None = None, *, links: bool = True) -> bytes | None:
    """The filter for a machine (`platform.machine()`); None for one whose calls are not known here. Without `links` a
    job can make no symbolic links: the server reads in the folders that it may write to."""
    known = _MACHINES.get((machine or platform.machine()).lower())
    if known is None:
        return None
    column, architecture = known
    refuse = ERRNO | errno.EPERM
    lines = [
        _line(_LOAD, 0, 0, _AT_ARCH),
        _line(_JUMP_EQ, 1, 0, architecture),
        _line(_RETURN, 0, 0, KILL),  # calls of another architecture have other numbers
        _line(_LOAD, 0, 0, _AT_NUMBER),
    ]
    if column == 0:
        lines += [_line(_JUMP_GE, 0, 1, _X32), _line(_RETURN, 0, 0, ERRNO | errno.ENOSYS)]
    for numbers in (*CALLS.values(), *(() if links else LINKS.values())):
        number = numbers[column]
        if number is not None:
            lines += [_line(_JUMP_EQ, 0, 1, number), _line(_RETURN, 0, 0, refuse)]
    lines += [_line(_JUMP_EQ, 0, 1, CLONE3[column]), _line(_RETURN, 0, 0, ERRNO | errno.ENOSYS)]
    for call in (_CLONE, _UNSHARE):
        lines += [
            _line(_JUMP_EQ, 0, 4, call[column]),
            _line(_LOAD, 0, 0, _AT_ARGUMENT),
            _line(_JUMP_SET, 0, 1, _NAMESPACES),
            _line(_RETURN, 0, 0, refuse),
            _line(_RETURN, 0, 0, ALLOW),
        ]
    lines += [
        _line(_JUMP_EQ, 0, 5, _IOCTL[column]),
        _line(_LOAD, 0, 0, _AT_ARGUMENT + 8),  # the low half: the kernel looks at no more of it
        _line(_JUMP_EQ, 1, 0, _TIOCSTI),
        _line(_JUMP_EQ, 0, 1, _TIOCLINUX),
        _line(_RETURN, 0, 0, refuse),
        _line(_RETURN, 0, 0, ALLOW),
        _line(_RETURN, 0, 0, ALLOW),
    ]
    return b"".join(lines)


def _line(code: int, if_true: int, if_false: int, value: int) -> bytes:
    """One instruction: `struct sock_filter`."""
    return struct.pack("=HBBI", code, if_true, if_false, value)
