"""A token is renewed before it ends and after a refusal; a signature names a clock that is off."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from declarative.clock import Clock
from declarative.errors import NotSent, Unauthorized
from declarative.identity.keystone import Account, Token, User
from declarative.identity.sign_in import KeySignIn, TokenSignIn
from declarative.provider import Refused, Secret
from tests.scaffold.scripted_cloud import clock, now, run

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Desk:
    """Gives tokens that live for `life` seconds, by a clock that is hours off; it takes a second for each."""

    def __init__(self, life=600.0, *, errors=(), dated=True):
        self.given = 0
        self.asked = []
        self.life = life
        self.errors = dict(errors)  # by the number of the request
        self.dated = dated

    async def __call__(self, deadline):
        self.asked.append(now())
        await asyncio.sleep(1.0)
        if error := self.errors.get(len(self.asked)):
            raise error
        self.given += 1
        issued = NOW - timedelta(hours=5) + timedelta(seconds=now())
        ends = issued + timedelta(seconds=self.life) if self.dated else None
        account = Account("d1", "OTC")
        user = User("u1", "anna", account)
        return Token(Secret(f"token-{self.given}"), issued, ends, user, None, account, ())


def refused(generation, date=None):
    return Refused(generation, "", date, NOW)


def token_of(signed_in):
    return dict(signed_in.headers("GET", "", (), b""))[b"X-Auth-Token"].decode()


def of(desk, **options):
    return TokenSignIn(desk, clock=clock(), hint="Check the password.", **options)


def test_everybody_waits_for_one_sign_in():
    desk = Desk()

    async def main():
        one = of(desk)
        assert await asyncio.gather(*(one.ready(deadline=60.0) for _ in range(16))) == [1] * 16
        assert token_of(one) == "token-1"

    run(main())
    assert desk.given == 1


def test_three_hours_with_tokens_of_ten_minutes():
    desk = Desk(600.0)

    async def main():
        one = of(desk)
        began = {}
        while now() < 3 * 3600:
            generation = await one.ready(deadline=now() + 60.0)
            began.setdefault(generation, now())
            assert now() - began[generation] < 600.0, "an ended token is in use"
            assert token_of(one) == f"token-{generation}"
            await asyncio.sleep(5.0)

    run(main())
    assert 18 <= desk.given <= 26


def test_a_token_without_an_end_is_used_until_it_is_refused():
    desk = Desk(dated=False)

    async def main():
        one = of(desk)
        await one.ready(deadline=60.0)
        await asyncio.sleep(10**6)
        assert await one.ready(deadline=now() + 60.0) == 1
        assert await one.renew(refused(1), deadline=now() + 60.0)
        assert await one.ready(deadline=now() + 60.0) == 2

    run(main())


def test_all_who_were_refused_share_one_renewal():
    desk = Desk()

    async def main():
        one = of(desk)
        await one.ready(deadline=60.0)
        assert all(await asyncio.gather(*(one.renew(refused(1), deadline=60.0) for _ in range(16))))
        assert token_of(one) == "token-2"

    run(main())
    assert desk.given == 2


def test_while_iam_is_away_the_old_token_serves_to_its_end():
    away = NotSent("no connection")
    desk = Desk(600.0, errors=dict.fromkeys(range(2, 1000), away))

    async def main():
        one = of(desk)
        await one.ready(deadline=60.0)
        while now() < 599.0:
            assert await one.ready(deadline=now() + 60.0) == 1
            await asyncio.sleep(7.0)
        await asyncio.sleep(10.0)
        with pytest.raises(NotSent):
            await one.ready(deadline=now() + 60.0)

    run(main())
    assert len(desk.asked) < 12


def test_a_refused_sign_in_is_not_tried_again():
    desk = Desk(errors={1: Unauthorized("wrong password")})

    async def main():
        one = of(desk)
        for _ in range(3):
            with pytest.raises(Unauthorized, match="wrong password"):
                await one.ready(deadline=60.0)

    run(main())
    assert len(desk.asked) == 1


def test_what_signs_in_once_is_used_until_it_is_refused():
    desk = Desk(600.0)

    async def main():
        one = of(desk, renewable=False)
        await one.ready(deadline=60.0)
        await asyncio.sleep(5000.0)
        assert await one.ready(deadline=now() + 60.0) == 1
        assert not await one.renew(refused(1), deadline=now() + 60.0)
        assert one.remedy(refused(1)) == "Check the password."

    run(main())
    assert desk.given == 1


def keys(**options):
    at = replace(Clock(), utcnow=lambda: NOW)
    return KeySignIn("AK", Secret("canary-key"), clock=at, hint="Check the keys.", **options)


def test_each_request_is_signed_for_the_project():
    given = [(b"Host", b"h"), (b"Accept", b"application/json"), (b"Content-Type", b"application/json")]
    made = dict(keys(project_id="p1").headers("POST", "https://h/v1/p1/x", given, b"{}"))
    assert made[b"X-Project-Id"] == b"p1"
    assert made[b"X-Sdk-Date"] == b"20260102T030405Z"
    assert b"SignedHeaders=content-type;host;x-project-id;x-sdk-date," in made[b"Authorization"]
    assert b"Host" not in made
    made = dict(
        keys(account_id="d1", security_token=Secret("canary-token")).headers("GET", "https://h/v3/x", given, b"")
    )
    assert made[b"X-Domain-Id"] == b"d1"
    assert made[b"X-Security-Token"] == b"canary-token"
    assert b"x-domain-id;x-sdk-date;x-security-token," in made[b"Authorization"]


@pytest.mark.parametrize(
    ("off", "words"),
    [
        (timedelta(minutes=17), "This machine's clock is 17 min behind the service's"),
        (timedelta(seconds=-90), "This machine's clock is 90 s ahead of the service's"),
        (timedelta(seconds=30), "Check the keys."),
        (None, "Check the keys."),
    ],
)
def test_a_clock_that_is_off_is_named(off, words):
    date = None if off is None else NOW + off
    assert keys().remedy(refused(0, date)).startswith(words)


def test_keys_can_not_be_renewed():
    assert run(keys().renew(refused(0), deadline=1.0)) is False
    assert "canary" not in repr(keys()) + str(vars(keys()))
