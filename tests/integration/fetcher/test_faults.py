"""A bad line between us and a real server: cut, held up or garbled anywhere, each mail comes once.

Garbled is tried under TLS, which notices; without it nobody can. Points are drawn from a seed.
"""

import pytest

from support.chance import chance
from support.dovecot import Dovecot
from support.fetching import Office, letter, mailbox
from support.proxy import Fault, Proxy
from support.stack import Stack

pytestmark = pytest.mark.peer
POINTS = 4
MAILS = [letter(n, size=3_000) for n in range(120)]
SECONDS = {"POSTROOM_FETCHER_COMMAND_SECONDS": "1", "POSTROOM_FETCHER_LOGIN_SECONDS": "1"}


@pytest.mark.parametrize("kind", ["cut", "hold", "garble"])
@pytest.mark.parametrize("protocol", ["imap", "pop3"])
async def test_a_bad_line_loses_and_doubles_nothing(
    protocol: str, kind: Fault, dovecot: Dovecot, stack: Stack, office: Office
) -> None:
    draw = chance(protocol, kind)
    garble = kind == "garble"
    port = getattr(dovecot, f"{protocol}s" if garble else protocol)
    tls = {"tls": "implicit", "ca": dovecot.ca} if garble else {}
    dovecot.put(*MAILS)
    async with Proxy(port) as proxy:
        await office.publish(mailbox("mbx_a", protocol, proxy.port, delete_after=True, **tls))
        await stack.start("fetcher", POSTROOM_FETCHER_CONNECT_SECONDS="1", **SECONDS)
        hits = 0
        for _ in range(POINTS):
            left = sum(map(len, dovecot.contents()))
            proxy.fault(draw.randrange(100, max(left, 200)), kind)
            told = await office.receive("mbx_a")
            hits += proxy.tripped and told.error is not None
            stored = {found.data for _, found in await office.mails()}
            assert set(MAILS) <= stored | set(dovecot.contents()), "nothing is lost"
        assert hits > POINTS // 2, "most faults were met"
        proxy.fault(1 << 40, kind)
        last = await office.receive("mbx_a")
        assert (last.state, last.error) == ("idle", None)
    assert sorted(found.data for _, found in await office.mails()) == sorted(MAILS)
    assert dovecot.files() == []


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
async def test_a_slow_line_is_borne(
    protocol: str, dovecot: Dovecot, stack: Stack, office: Office
) -> None:
    dovecot.put(*MAILS[:5])
    async with Proxy(getattr(dovecot, protocol)) as proxy:
        proxy.delay = 0.02
        await office.publish(mailbox("mbx_a", protocol, proxy.port))
        await stack.start("fetcher")
        told = await office.receive("mbx_a")
    assert (told.error, told.stored) == (None, 5)
