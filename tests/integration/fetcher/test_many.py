"""Many mailboxes over several fetchers: each by one at a time, none starves, whoever dies or hangs."""

import asyncio
import time
from collections import Counter

from support.corpora import soaking
from support.fetching import Office, mailbox
from support.hostile import Hostile, Peer
from support.stack import Stack
from support.waiting import eventually

MAILBOXES = 60
SCALE = 0.02
"""An interval of a minute is 1.2 s."""


class Server:
    """An empty IMAP mailbox for each login; it remembers who is in, and when they were."""

    def __init__(self) -> None:
        self.inside: Counter[bytes] = Counter()
        self.most: Counter[bytes] = Counter()
        self.visits: Counter[bytes] = Counter()
        self.last: dict[bytes, float] = {}
        self.gaps: Counter[bytes] = Counter()

    async def talk(self, peer: Peer) -> None:
        await peer.say(b"* OK ready\r\n")
        login = b""
        try:
            while True:
                tag, _, rest = (await peer.hear()).partition(b" ")
                if rest.startswith(b"LOGIN"):
                    login = rest.split(b'"')[1]
                    self._enter(login)
                if rest == b"CAPABILITY":
                    await peer.say(b"* CAPABILITY IMAP4rev1\r\n")
                if rest.startswith(b"EXAMINE"):
                    await peer.say(b"* 0 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n")
                    await asyncio.sleep(0.05)  # the work that a check is
                await peer.say(tag + b" OK done\r\n")
        finally:
            if login:
                self.inside[login] -= 1

    def _enter(self, login: bytes) -> None:
        now = time.monotonic()
        self.inside[login] += 1
        self.visits[login] += 1
        self.most[login] = max(self.most[login], self.inside[login])
        self.gaps[login] = max(self.gaps[login], int(1000 * (now - self.last.get(login, now))))
        self.last[login] = now


async def test_when_one_of_three_is_killed_the_others_go_on_with_its_mailboxes(
    stack: Stack, office: Office
) -> None:
    server = Server()
    quick = {"POSTROOM_TIME_SCALE": str(SCALE), "POSTROOM_FETCHER_HOST_CONNECTIONS": "100"}
    async with Hostile(server.talk) as hostile:
        await office.publish(
            *(
                mailbox(f"mbx_{n}", "imap", hostile.port, login=f"user{n}", interval_minutes=1)
                for n in range(MAILBOXES)
            )
        )
        first, *_ = await stack.start("fetcher", "fetcher", "fetcher", **quick)
        logins = {f"user{n}".encode() for n in range(MAILBOXES)}

        async def all_visited(times: int) -> None:
            before = Counter(server.visits)
            await eventually(
                lambda: all(server.visits[one] - before[one] >= times for one in logins),
                60,
                what=f"every mailbox is checked {times} times",
            )

        await all_visited(2)
        began = time.monotonic()
        first.kill9()
        await all_visited(2)
        # What it held comes back after 20 s; then each is checked as before.
        assert time.monotonic() - began < 60
        assert max(server.most.values()) == 1, "a mailbox was checked twice at a time"
        assert max(server.gaps.values()) < 30_000


async def test_servers_that_hang_hold_up_nobody_else_and_all_fetchers_share_a_limit(
    stack: Stack, office: Office
) -> None:
    """Some of the mailboxes are on servers that say nothing once they are connected to."""
    many, stuck, scale = (900, 100, 0.2) if soaking("fetch-many") else (MAILBOXES, 30, SCALE)
    server = Server()

    async def hang(peer: Peer) -> None:
        await peer.hear()

    async with Hostile(server.talk) as good, Hostile(hang) as bad:
        hanging = [
            mailbox(f"mbx_h{n}", "imap", bad.port, login=f"h{n}", interval_minutes=1)
            for n in range(stuck)
        ]
        well = [
            mailbox(f"mbx_{n}", "imap", good.port, login=f"user{n}", interval_minutes=1)
            for n in range(many)
        ]
        await office.publish()
        # Both know of each other before there is anything to do.
        await stack.start(
            "fetcher",
            "fetcher",
            POSTROOM_TIME_SCALE=str(scale),
            POSTROOM_FETCHER_CONNECTIONS="30",
            POSTROOM_FETCHER_HOST_CONNECTIONS="10",
            POSTROOM_FETCHER_CONNECT_SECONDS="600",
        )
        await office.publish(*hanging, *well)
        logins = [f"user{n}".encode() for n in range(many)]
        await eventually(lambda: bad.talking == 10, 60, what="all that may hang do")
        await eventually(lambda: all(server.visits[one] for one in logins), 120, what="all known")
        before = Counter(server.visits)
        server.gaps.clear()
        await eventually(
            lambda: all(server.visits[one] - before[one] >= 3 for one in logins),
            120,
            what="the others are checked again and again",
        )
        assert bad.talking == bad.connections == 10
        gaps = sorted(server.gaps[one] for one in logins)
        # An interval is 60 s by the schedule's clock.
        print(f"{many} checked every {60 * scale:g} s, longest gap {gaps[-1] / 1000:.1f} s")
        assert gaps[-1] < 5_000 * 60 * scale + 10_000
