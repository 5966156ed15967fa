"""MTA-STS (RFC 8461): records, policies, and how long what was read holds."""

import asyncio

import pytest

from postroom_smtp.domain.mta_sts import LONGEST, Policy, id_of, read_policy
from postroom_smtp.handlers.securing import AGAIN_SECONDS, Securing
from postroom_smtp.ports import PolicyTroubleError
from support.names import TIMEOUT, KnownNames

TEXT = "version: STSv1\r\nmode: enforce\r\nmx: mx1.theirs.example\r\nmx: *.mail.example\r\nmax_age: 600\r\n"


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ([b"v=STSv1; id=20160831085700Z;"], "20160831085700Z"),
        ([b"v=STSv1;id=a; more=x"], "a"),
        ([b"other", b"v=STSv1; id=b"], "b"),
        ([b"v=STSv1; id=a", b"v=STSv1; id=b"], None),
        ([b"v=STSv1; id=not-allowed"], None),
        ([b"v=STSv1; id="], None),
        ([b"v=STSv1; x=1"], None),
        ([b"v=STSv10; id=a"], None),
        ([b" v=STSv1; id=a"], None),
        ([], None),
    ],
)
def test_the_record(texts, found) -> None:
    assert id_of(texts) == found


def test_a_policy_is_read() -> None:
    policy = read_policy(TEXT)
    assert policy == Policy("enforce", 600, ("mx1.theirs.example", "*.mail.example"))
    assert read_policy(TEXT.replace("\r\n", "\n")) == policy
    assert read_policy("version: STSv1\nmode: none\nmax_age: 99999999\n") == Policy(
        "none", LONGEST, ()
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "version"),
        (TEXT.replace("STSv1", "STSv2"), "version"),
        (TEXT + "version: STSv1\n", "version"),
        (TEXT.replace("enforce", "sometimes"), "mode"),
        (TEXT.replace("600", "-1"), "how long"),
        (TEXT.replace("max_age", "age"), "how long"),
        (TEXT.replace("mx:", "mixed:"), "names no server"),
        (TEXT.replace("*.mail.example", "*"), "names a server that is none"),
        (TEXT.replace("*.mail.example", "a.*.example"), "names a server that is none"),
    ],
)
def test_what_is_no_policy(text, words) -> None:
    with pytest.raises(ValueError, match=words):
        read_policy(text)


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("mx1.theirs.example", True),
        ("MX1.Theirs.Example.", True),
        ("mx2.theirs.example", False),
        ("a.mail.example", True),
        ("a.b.mail.example", False),
        ("mail.example", False),
        ("xmail.example", False),
    ],
)
def test_a_star_stands_for_one_label(host, allowed) -> None:
    assert read_policy(TEXT).allows(host) == allowed


class World:
    """A DNS, a web server and a clock."""

    def __init__(self) -> None:
        self.zone = KnownNames({"_mta-sts.theirs.example": [("TXT", "v=STSv1; id=one")]})
        self.text: str | None = TEXT
        self.fetched = 0
        self.time = 1_000.0
        self.securing = Securing(self.zone, self.fetch, lambda: self.time)

    async def fetch(self, domain: str) -> str:
        assert domain == "theirs.example"
        self.fetched += 1
        await asyncio.sleep(0)
        if self.text is None:
            raise PolicyTroubleError("away")
        return self.text

    def publish(self, id_: str | None) -> None:
        found = [("TXT", f"v=STSv1; id={id_}")] if id_ else TIMEOUT
        self.zone.zone["_mta-sts.theirs.example"] = found

    async def mode(self) -> str | None:
        policy = await self.securing.policy("theirs.example")
        return policy and policy.mode


async def test_a_policy_is_fetched_once_and_again_when_its_id_changes_or_it_ends() -> None:
    world = World()
    assert [await world.mode() for _ in range(3)] == ["enforce"] * 3
    assert world.fetched == 1
    world.text = TEXT.replace("enforce", "testing")
    world.publish("two")
    assert await world.mode() == "testing"
    world.time += 599
    assert await world.mode() == "testing"
    assert world.fetched == 2
    world.time += 1
    assert await world.mode() == "testing"
    assert world.fetched == 3


async def test_what_was_read_holds_though_dns_and_web_server_are_silenced() -> None:
    world = World()
    assert await world.mode() == "enforce"
    world.publish(None)
    world.text = None
    assert await world.mode() == "enforce"
    world.publish("two")
    assert await world.mode() == "enforce"
    world.time += 600
    assert await world.mode() is None, "until it ends"


async def test_a_policy_that_cannot_be_had_is_none_and_asked_for_again_later() -> None:
    world = World()
    world.text = None
    assert [await world.mode() for _ in range(3)] == [None] * 3
    assert world.fetched == 1
    world.text = TEXT
    world.time += AGAIN_SECONDS - 1
    assert await world.mode() is None
    world.time += 1
    assert await world.mode() == "enforce"


async def test_another_id_is_asked_for_at_once() -> None:
    world = World()
    world.text = "nonsense"
    assert await world.mode() is None
    world.publish("two")
    world.text = TEXT
    assert await world.mode() == "enforce"


async def test_many_at_once_ask_once() -> None:
    world = World()
    assert set(await asyncio.gather(*(world.mode() for _ in range(20)))) == {"enforce"}
    assert world.fetched == 1


async def test_a_domain_without_a_record_is_not_asked() -> None:
    world = World()
    assert await world.securing.policy("other.example") is None
    assert world.fetched == 0
    assert not world.securing._known


async def test_so_many_are_remembered_and_no_more(monkeypatch) -> None:
    monkeypatch.setattr("postroom_smtp.handlers.securing.KEPT", 2)
    names = {f"_mta-sts.d{n}.example": [("TXT", "v=STSv1; id=one")] for n in range(4)}

    async def fetch(_domain: str) -> str:
        return TEXT

    securing = Securing(KnownNames(names), fetch, lambda: 0.0)
    for number in (0, 1, 0, 2):
        await securing.policy(f"d{number}.example")
    assert list(securing._known) == ["d0.example", "d2.example"]
