"""Rotate the master key: up and down, under load, and killed at every named point."""

from __future__ import annotations

import threading

import pytest

from support.care import SECRET, revealed
from support.crashes import care_until
from support.server import Installation


def master_key(made: Installation) -> bytes:
    return (made.home / "keys" / "master.key").read_bytes()


@pytest.mark.parametrize("up", [True, False])
def test_a_rotated_key_opens_everything_and_the_old_one_nothing(made, up):
    old = master_key(made)
    key = made.ok("user", "apikey", "create", "-n", "ci", "-O", "json").json
    if not up:
        made.ok("down")
    body = made.ok("admin", "rotate-key", "-O", "json").json
    assert (body["keys"], body["servers"]) == (1, [])
    assert master_key(made) != old
    assert sorted(f.name for f in (made.home / "keys").iterdir()) == ["admin.token", "master.key"]
    if not up:
        made.up()
    assert "CANARY-VALUE" in revealed(made)
    assert made.cli("apply", "-f", made.write("s.yaml", SECRET)).err.count("unchanged") == 1
    made.ok("apply", "-f", made.write("s2.yaml", SECRET.replace("orders", "later")))
    made.ok("get", "--url", made.url, env={"APIKEY": key["token"] if "token" in key else key["apikey"]})
    made.ok("down")
    made.up()
    assert "CANARY-VALUE" in revealed(made)
    made.ok("down")
    (made.home / "keys" / "master.key").write_bytes(old)
    refused = made.cli("up", "--port", "0")
    assert (refused.code, "is not the one" in refused.err) == (1, True)


def test_secrets_are_applied_and_read_while_keys_rotate(made):
    ended = threading.Event()
    failures: list[str] = []

    def apply(number: int) -> None:
        round_ = 0
        while not ended.is_set():
            round_ += 1
            text = SECRET.replace("orders", f"s{number}").replace("CANARY-VALUE", f"v{round_}")
            done = made.cli("apply", "-f", made.write(f"s{number}.yaml", text))
            if done.code:
                failures.append(done.err)
            shown = made.cli("get", "-t", "secret", "-n", f"s{number}", "-w", "public", "-d", "--unSanitize")
            if f"v{round_}" not in shown.out:
                failures.append(shown.err + shown.out)

    workers = [threading.Thread(target=apply, args=(n,)) for n in range(2)]
    for worker in workers:
        worker.start()
    for _ in range(4):
        made.ok("admin", "rotate-key")
    ended.set()
    for worker in workers:
        worker.join()
    assert failures == []
    assert "CANARY-VALUE" in revealed(made)


ROTATE_POINTS = ["rotation.key-written", "rotation.wrapped", "rotation.committed", "rotation.saved"]


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize("point", ROTATE_POINTS)
def test_a_killed_rotation_leaves_everything_open(made, point, up):
    if not up:
        made.ok("down")
    care_until(made, point, "rotate-key")
    if not up:
        made.up()
    assert "CANARY-VALUE" in revealed(made)
    made.ok("apply", "-f", made.write("s2.yaml", SECRET.replace("orders", "later")))
    made.ok("admin", "reset-token")
    made.ok("admin", "rotate-key")
    made.ok("down")
    made.up()
    assert "CANARY-VALUE" in revealed(made)
    assert sorted(f.name for f in (made.home / "keys").iterdir()) == ["admin.token", "master.key"]
