"""The filter decides as its list says, on every number, by an interpreter of the machine it is written for."""

from __future__ import annotations

import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataos.processes import seccomp

ARCHES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
REFUSE = seccomp.ERRNO | errno.EPERM
MISSING = seccomp.ERRNO | errno.ENOSYS
MASK = 0xFFFFFFFF


def decide(machine: str, number: int, *arguments: int, arch: int | None = None, links: bool = True) -> int:
    """Run the program on one call as the kernel does."""
    content = seccomp.program(machine, links=links)
    assert content is not None
    lines = [struct.unpack("=HBBI", content[at : at + 8]) for at in range(0, len(content), 8)]
    assert len(lines) <= 4096
    data = struct.pack("=IIQ6Q", number & MASK, arch or ARCHES[machine], 0, *(arguments + (0,) * 6)[:6])
    at, value = 0, 0
    while True:
        code, if_true, if_false, constant = lines[at]
        at += 1
        if code == 0x20:
            (value,) = struct.unpack("=I", data[constant : constant + 4])
        elif code == 0x06:
            return constant
        else:
            holds = {0x15: value == constant, 0x35: value >= constant, 0x45: bool(value & constant)}[code]
            at += if_true if holds else if_false


@pytest.mark.parametrize("machine", ARCHES)
def test_what_is_listed_is_refused_and_nothing_else(machine):
    column = list(ARCHES).index(machine)
    refused = {numbers[column] for numbers in seccomp.CALLS.values()} - {None}
    for number in range(600):
        expected = REFUSE if number in refused else MISSING if number == seccomp.CLONE3[column] else seccomp.ALLOW
        assert decide(machine, number) == expected, number


@pytest.mark.parametrize("machine", ARCHES)
def test_without_links_nothing_makes_symbolic_ones(machine):
    column = list(ARCHES).index(machine)
    made = {numbers[column] for numbers in seccomp.LINKS.values()} - {None}
    assert made
    for number in range(600):
        expected = REFUSE if number in made else decide(machine, number)
        assert decide(machine, number, links=False) == expected, number


@pytest.mark.parametrize(("machine", "clone", "unshare"), [("x86_64", 56, 272), ("aarch64", 220, 97)])
def test_threads_and_forks_but_no_namespaces(machine, clone, unshare):
    for flags in (0x003D0F00, 0x01200011, 17, 0):  # a thread, fork, vfork's kin
        assert decide(machine, clone, flags) == seccomp.ALLOW
    for bit in (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
        for call in (clone, unshare):
            assert decide(machine, call, bit | 17) == REFUSE
    assert decide(machine, unshare, 0x400) == seccomp.ALLOW  # its own table of files


@pytest.mark.parametrize(("machine", "ioctl"), [("x86_64", 16), ("aarch64", 29)])
def test_no_input_is_pushed_to_terminals(machine, ioctl):
    assert decide(machine, ioctl, 0, 0x5412) == REFUSE
    assert decide(machine, ioctl, 0, 0x541C) == REFUSE
    assert decide(machine, ioctl, 0, 0xFFFFFFFF_00005412) == REFUSE, "the kernel looks at the low half"
    assert decide(machine, ioctl, 0, 0x5401) == seccomp.ALLOW


@pytest.mark.parametrize("machine", ARCHES)
def test_calls_of_another_architecture_end_the_job(machine):
    assert decide(machine, 0, arch=0x40000003) == seccomp.KILL
    other = next(a for name, a in ARCHES.items() if name != machine)
    assert decide(machine, 0, arch=other) == seccomp.KILL


@given(st.integers(0, MASK), st.lists(st.integers(0, 2**64 - 1), min_size=6, max_size=6))
def test_every_call_has_an_answer(number, arguments):
    allowed = {seccomp.ALLOW, REFUSE, MISSING}
    for machine in ARCHES:
        assert decide(machine, number, *arguments) in allowed
    if number >= 0x40000000:
        assert decide("x86_64", number, *arguments) == MISSING


def test_an_unknown_machine_has_none():
    assert seccomp.program("riscv64") is None
