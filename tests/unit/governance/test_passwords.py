"""What may be a password, and that only the right one is taken."""

from __future__ import annotations

import asyncio
import time

import pytest

from dataos.core.errors import DataOSError
from dataos.core.secrecy import Secret
from dataos.governance import passwords
from dataos.governance.passwords import Hasher


@pytest.mark.parametrize("text", ["three grey horses", "0123456789", "pässwörter", "x" * 1021 + "yz9"])
def test_what_is_long_enough_may_be_one(text):
    passwords.check(Secret(text), "ida", "Ida Lund", "ida@example.org")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "short one",
        "x" * 1025,
        "ida.lund-long",
        "IDA.LUND-LONG",
        "Ida Maria Lund",
        "someone@example.org",
        "aaaaaaaaaabbb",
    ],
)
def test_what_is_short_long_or_ones_own_name_may_not(text):
    with pytest.raises(DataOSError) as caught:
        passwords.check(Secret(text), "ida.lund-long", "Ida Maria Lund", "someone@example.org")
    assert caught.value.problem.code == "user.password"
    assert not text or text not in str(caught.value)


def test_a_hash_takes_its_password_however_it_was_typed_and_no_other():
    async def body() -> None:
        hasher = Hasher(19, 1)
        made = await hasher.make(Secret("grüne pferde"))
        assert made.startswith("$argon2id$")
        assert "pferde" not in made
        assert await hasher.verify(made, Secret("gru\u0308ne pferde"))
        assert not await hasher.verify(made, Secret("grune pferde"))
        assert not await hasher.verify(None, Secret("the password of nobody"))
        assert not await hasher.verify("$argon2id$nonsense", Secret("grüne pferde"))
        assert not hasher.is_outdated(made)
        assert Hasher(20, 1).is_outdated(made)
        assert await Hasher(20, 1).verify(made, Secret("grüne pferde"))

    asyncio.run(body())


def test_where_there_is_no_password_the_answer_takes_as_long():
    async def body() -> None:
        hasher = Hasher(64, 2)
        made = await hasher.make(Secret("three grey horses"))
        await hasher.verify(None, Secret("warm"))

        async def quickest(known: str | None) -> float:
            times = []
            for _ in range(7):
                began = time.perf_counter()
                await hasher.verify(known, Secret("three black horses"))
                times.append(time.perf_counter() - began)
            return min(times)

        known, unknown = await quickest(made), await quickest(None)
        assert 0.5 < known / unknown < 2

    asyncio.run(body())


def test_a_flood_is_refused_rather_than_queued():
    async def body() -> None:
        hasher = Hasher(19, 1)
        asked = [hasher.verify(None, Secret("three grey horses")) for _ in range(200)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        refused = [a for a in answers if isinstance(a, DataOSError)]
        assert {a.problem.code for a in refused} == {"login.busy"}
        assert len(answers) - len(refused) == 64
        assert await hasher.verify(None, Secret("later")) is False

    asyncio.run(body())
