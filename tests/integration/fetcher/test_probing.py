"""Trying a server before a mailbox is connected: every stage, the server's words, no effect."""

import os
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from postroom_contract import subjects
from postroom_contract.codec import decode
from postroom_contract.ledger import Ledger, ReadLedger
from postroom_contract.probing import Probe, ProbeMailbox, ProbeProgress
from postroom_runtime.bus import Bus
from support.buses import connected
from support.dovecot import PASSWORD, USER, Dovecot
from support.fetching import ACCOUNT, Office, letter, mailbox, sealed
from support.hostile import Hostile, Peer
from support.stack import Stack
from support.waiting import eventually

pytestmark = pytest.mark.peer
INTERNAL = "POSTROOM_INTERNAL_HOSTS"


async def ask(bus: Bus, question: ProbeMailbox) -> Probe:
    return await bus.request(subjects.rpc("fetcher", "probe"), question, Probe, 60)


def question(protocol: str, port: int, **settings: Any) -> ProbeMailbox:
    document = mailbox("mbx_try", protocol, port, **settings)
    assert document.fetch is not None
    return ProbeMailbox(
        account=ACCOUNT, operation="opr_1", mailbox="mbx_try", protocol=protocol, source=document.fetch  # type: ignore[arg-type]  # a test's own words
    )  # fmt: skip


def names(probe: Probe) -> list[str]:
    return [stage.name for stage in probe.stages]


async def test_every_stage_is_told_and_nothing_is_fetched(
    dovecot: Dovecot, stack: Stack, office: Office
) -> None:
    dovecot.put(*(letter(n, size=2_000) for n in range(7)))
    await office.publish()
    await stack.start("fetcher")
    async with connected(stack.nats, "api") as api:
        told: list[ProbeProgress] = []

        async def hear(message: Any) -> None:
            told.append(decode(message.data, ProbeProgress))

        await api.client.subscribe(subjects.live(ACCOUNT, "opr_1"), cb=hear)
        await api.client.flush()
        tls = {"tls": "implicit", "ca": dovecot.ca}
        imap = await ask(api, question("imap", dovecot.imaps, **tls))
        assert names(imap) == ["dns", "tcp", "tls", "greeting", "sign_in", "folders", "count"]
        assert imap.well
        assert "certificate of localhost by localhost" in imap.stages[2].words
        assert imap.stages[4].words == f"signed in as {USER}"
        assert imap.folders == ("INBOX",)
        assert imap.census is not None
        assert imap.census.messages == 7
        assert imap.census.newest is not None
        assert imap.census.newer_than == {7: 7, 30: 7, 90: 7, 365: 7}
        pop3 = await ask(api, question("pop3", dovecot.pop3, tls="starttls", ca=dovecot.ca))
        assert names(pop3) == ["dns", "tcp", "greeting", "tls", "sign_in", "count"]
        assert pop3.census is not None
        assert (pop3.census.messages, pop3.census.newer_than) == (7, {})
        wanted = [*imap.stages, *pop3.stages]
        await eventually(lambda: [one.stage for one in told] == wanted)
    assert await office.mails() == []
    assert len(dovecot.files()) == 7


@pytest.mark.parametrize(
    ("settings", "failing", "words"),
    [
        ({"password": "wrong"}, "sign_in", "Authentication failed"),
        ({"tls": "implicit"}, "tls", "self-signed certificate"),
        ({"tls": "implicit", "host": "nobody.invalid"}, "dns", "no such server: nobody.invalid"),
    ],
    ids=["password", "certificate", "name"],
)
async def test_the_stage_that_fails_says_why(
    settings: dict[str, Any], failing: str, words: str, dovecot: Dovecot, stack: Stack, office: Office
) -> None:  # fmt: skip
    await office.publish()
    await stack.start("fetcher")
    port = dovecot.imaps if settings.get("tls") else dovecot.imap
    async with connected(stack.nats, "api") as api:
        found = await ask(api, question("imap", port, **settings))
    assert not found.well
    assert found.stages[-1].name == failing
    assert words in found.stages[-1].words
    assert all(stage.well for stage in found.stages[:-1])


async def test_internal_hosts_and_foreign_secrets_are_never_connected_to(
    stack: Stack, office: Office
) -> None:
    async def silent(peer: Peer) -> None:
        await peer.hear()

    await office.publish()
    await stack.start("fetcher", **{INTERNAL: ""})
    async with Hostile(silent) as server, connected(stack.nats, "api") as api:
        for host in ("localhost", "127.0.0.1", "0x7f.1", "::ffff:127.0.0.1", "[::ffff:127.0.0.1]"):
            found = await ask(api, question("imap", server.port, host=host))
            assert found.stages[-1].name == "dns"
            assert not found.well
        assert server.connections == 0


async def test_a_stored_secret_goes_nowhere_else(stack: Stack, office: Office) -> None:
    """A test of changed settings with the stored password: refused before anything is connected."""

    async def silent(peer: Peer) -> None:
        await peer.hear()

    await office.publish()
    await stack.start("fetcher")
    async with Hostile(silent) as server, connected(stack.nats, "api") as api:
        honest = question("imap", 993)
        other = question("imap", server.port)
        source = type(other.source)(
            host="localhost", port=server.port, tls="none", login=USER,
            sealed_password=sealed("mbx_try", honest.source, PASSWORD),
        )  # fmt: skip
        found = await ask(api, ProbeMailbox(
            account=ACCOUNT, operation="opr_2", mailbox="mbx_try", protocol="imap", source=source
        ))  # fmt: skip
        assert "given for another port" in found.stages[-1].words
        assert server.connections == 0


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
async def test_only_new_mail_is_imported_when_asked_for(
    protocol: str, dovecot: Dovecot, stack: Stack, office: Office
) -> None:
    dovecot.put(*(letter(n) for n in range(300)))
    port = getattr(dovecot, protocol)
    await office.publish(mailbox("mbx_a", protocol, port, first_import_days=0, delete_after=True))
    await stack.start("fetcher")
    assert (await office.receive("mbx_a")).found == 0
    dovecot.put(letter(1_000))
    assert (await office.receive("mbx_a")).stored == 1
    assert [found.data for _, found in await office.mails()] == [letter(1_000)]
    assert len(dovecot.files()) == 300, "what was passed over is not deleted either"


async def test_a_first_import_of_some_days(dovecot: Dovecot, stack: Stack, office: Office) -> None:
    dovecot.put(*(letter(n) for n in range(10)))
    for number, path in enumerate(sorted(dovecot.files(), key=lambda one: one.name)):
        age = 0 if number >= 6 else 100
        os.utime(path, (time.time() - age * 86_400,) * 2)  # what Dovecot's INTERNALDATE is made of
    await office.publish(mailbox("mbx_a", "imap", dovecot.imap, first_import_days=30))
    await stack.start("fetcher")
    assert (await office.receive("mbx_a")).stored == 4
    assert {found.data for _, found in await office.mails()} == {letter(n) for n in range(6, 10)}


@pytest.mark.peer
@pytest.mark.parametrize("protocol", ["imap", "pop3"])
async def test_what_was_passed_over_or_too_large_is_fetched_again(
    protocol: str, dovecot: Dovecot, stack: Stack, office: Office
) -> None:
    big = letter(9, size=3_000)
    dovecot.put(letter(1), letter(2))
    port = getattr(dovecot, protocol)
    limits = {"first_import_days": 0, "max_message_kb": 2}
    await office.publish(mailbox("mbx_a", protocol, port, **limits))
    await stack.start("fetcher")
    assert (await office.receive("mbx_a")).stored == 0
    dovecot.put(letter(3), big)
    told = await office.receive("mbx_a")
    assert (told.stored, len(told.skipped)) == (1, 1)
    today = datetime.now(tz=UTC).date()
    if protocol == "imap":
        # By the server's dates: nothing came tomorrow.
        assert (await office.receive("mbx_a", since=today + timedelta(days=2))).found == 0
    told = await office.receive("mbx_a", since=today - timedelta(days=1))
    assert (told.stored, len(told.skipped), told.error) == (2, 1, None)
    # The limit was raised: what was left there comes, and what is here does not come twice.
    limits["max_message_kb"] = 0
    await office.publish(mailbox("mbx_a", protocol, port, version=2, **limits))
    assert (await office.receive("mbx_a", since=today)).stored == 1
    assert (await office.receive("mbx_a", since=today)).found == 0
    mails = await office.mails()
    assert sorted(found.data for _, found in mails) == sorted(
        [letter(1), letter(2), letter(3), big]
    )
    dovecot.put(letter(4))
    assert (await office.receive("mbx_a")).stored == 1
    ledger = await office.bus.request(
        subjects.rpc("fetcher", "ledger"), ReadLedger(account=ACCOUNT, mailbox="mbx_a"), Ledger, 10
    )
    assert (ledger.seen, ledger.stored, ledger.left) == (5, 5, 0)
