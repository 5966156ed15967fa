"""A real list's archive, posted as a forum: our parents are those that GNU Mailman states.

`make test` posts a sample of whole threads, in the order in which the list took them and in an
order by chance; `make soak NAME=archive` all 2,718 mails, and 20 orders by chance.
"""

import hashlib
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

import asyncpg
import pytest

from postroom_contract import forum
from postroom_contract.commands import MailReference, PostMail
from postroom_contract.ids import derived_id
from postroom_contract.mail import Envelope, Pointer
from postroom_forum_bridge.domain.fanout import Voice
from postroom_forum_bridge.domain.threading import post_id
from postroom_forum_bridge.handlers.posting import PostMails
from postroom_forum_bridge.ports import RawMail
from postroom_forum_bridge.postgres.deliveries import PostgresDeliveries
from postroom_forum_bridge.postgres.forums import PostgresForums
from postroom_forum_bridge.postgres.members import PostgresMembers
from postroom_mail.read import framed, read_framed
from postroom_mail.tokens import parse_keys
from postroom_mail.values import Mail
from postroom_runtime.postgres import Database
from support.archive import Archived, archive, threads
from support.chance import chance
from support.corpora import needs_corpora, soaking

SAMPLE, ORDERS = 300, 20
ACCOUNT = "acc_test"
RECEIVED = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

AGREED = "the same parent"
NOTHING_NAMED = "it names nothing, and neither of us guesses by subject"
NEVER_CAME = "what it answers is not in the archive: a placeholder of ours"
ANOTHER_MONTH = "what it answers stands on another month's page: pipermail begins each anew"
CAME_FIRST = "it came before what it answers: pipermail does not look again"
WHOLE = {AGREED: 1775, NOTHING_NAMED: 585, NEVER_CAME: 190, ANOTHER_MONTH: 148, CAME_FIRST: 20}
"""All 2,718 mails; what is not said here does not occur."""

pytestmark = needs_corpora


@pytest.fixture(scope="module")
def mails() -> dict[str, Archived]:
    return archive()


def verdict(mails: dict[str, Archived], one: str, ours: str | None) -> str:
    """Say how our parent of a mail stands to pipermail's; every kind has its reason."""
    mail = mails[one]
    theirs = mail.theirs.parent
    if theirs is not None:
        return AGREED if theirs == ours else f"other parents: {theirs} and {ours}"
    if ours is None:
        return NOTHING_NAMED if not mail.names.named else "it names something, and has no parent"
    if ours not in mails:
        return NEVER_CAME
    if mails[ours].theirs.month != mail.theirs.month:
        return ANOTHER_MONTH
    return CAME_FIRST if mails[ours].came > mail.came else "pipermail could have seen it"


def test_the_parent_of_every_mail_is_pipermails_or_the_reason_is_known(mails):
    found = Counter(verdict(mails, one, mail.names.parent) for one, mail in mails.items())
    assert found == WHOLE
    stated = [mail for mail in mails.values() if mail.names.parent is not None]
    assert all(
        mail.names.parent in {*mail.mail.in_reply_to, *mail.mail.references} for mail in stated
    )


@dataclass
class Intake:
    """Port `Mails`: the raw mails, without a broker."""

    raws: dict[str, RawMail] = field(default_factory=dict)

    def put(self, name: str, raw: bytes, sender: str) -> MailReference:
        digest = hashlib.sha256(raw).hexdigest()
        envelope = Envelope(
            id=derived_id("msg", name, digest), account=ACCOUNT, mailbox="mbx_list", role="post",
            recipient=f"{name}@example.org", sender=sender, received_at=RECEIVED, sha256=digest,
            size=len(raw), source="smtp", transaction="txn_1", forum=f"frm_{name}",
        )  # fmt: skip
        self.raws[envelope.id] = RawMail(envelope, raw)
        return MailReference(
            id=envelope.id, mailbox="mbx_list", raw=Pointer("INTAKE_00", 1), envelope_sender=sender
        )

    async def fetch(self, account: str, mail: MailReference) -> RawMail:
        return self.raws[mail.id]


async def read_here(raw: bytes, charset: str) -> Mail:
    return read_framed(framed(raw, charset))


class Bridge:
    """What the forum-bridge does with a mail, in this process, on the real database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._forums = PostgresForums(database)
        self._intake = Intake()
        self._posting = PostMails(
            self._forums, PostgresDeliveries(database, 3), self._intake, read_here,
            Voice(parse_keys("1:" + "5a" * 32), "http://127.0.0.1:8080"), lambda: None,
        )  # fmt: skip

    async def open(self, name: str) -> str:
        """Make a forum with one reader."""
        made, address = f"frm_{name}", f"{name}@example.org"
        ask = forum.CreateForum(account=ACCOUNT, id=made, name="ImageJ", address=address)
        await self._forums.create(ask)
        await self._forums.open(forum.OpenForum(account=ACCOUNT, id=made))
        add = forum.AddMember(account=ACCOUNT, forum=made, email="reader@example.net")
        await PostgresMembers(self._database, 3).add(add, "reader@example.net", RECEIVED)
        return made

    async def post(self, name: str, mail: Archived) -> None:
        where = self._intake.put(name, mail.raw, mail.mail.from_[0].address)
        made = f"frm_{name}"
        command = PostMail(
            id=derived_id("cmd", where.id, "post", made), account=ACCOUNT,
            correlation=where.id, causation=where.id, forum=made, mail=where,
        )  # fmt: skip
        await self._posting.on_post(command)

    async def rows(self, query: str, made: str) -> list[asyncpg.Record]:
        async with self._database.transaction(seconds=30) as connection:
            return await connection.fetch(query, made)


@pytest.fixture
async def bridge(database):
    pool = Database(database.forum_url, "forum-work", size=2)
    yield Bridge(pool)
    await pool.close()


POSTS = (
    "SELECT p.id, p.message_id, p.placeholder, p.topic, u.message_id AS parent, t.merged_into,"
    " p.created_at <= u.created_at AS too_early FROM forum.post p JOIN forum.topic t"
    " ON t.id = p.topic LEFT JOIN forum.post u ON u.id = p.parent WHERE p.forum = $1"
)


async def post_all(
    bridge: Bridge, name: str, mails: dict[str, Archived], order: list[str]
) -> set[frozenset[str]]:
    """Post them in this order; prove the tree, and return which mails share a topic."""
    made = await bridge.open(name)
    began = time.monotonic()
    for one in order:
        await bridge.post(name, mails[one])
    took = time.monotonic() - began
    outcomes = await bridge.rows("SELECT outcome FROM forum.mail WHERE forum = $1", made)
    assert [row["outcome"] for row in outcomes] == ["posted"] * len(order)
    rows = await bridge.rows(POSTS, made)
    assert not any(row["too_early"] or row["merged_into"] for row in rows)
    assert all(row["id"] == post_id(made, row["message_id"]) for row in rows)

    parents = {row["message_id"]: row["parent"] for row in rows if not row["placeholder"]}
    assert parents.keys() == set(order)
    assert all(ours == mails[one].names.parent for one, ours in parents.items())
    verdicts = Counter(verdict(mails, one, ours) for one, ours in parents.items())
    assert verdicts.keys() <= WHOLE.keys()
    # Of the placeholders those alone are left whose mail never came.
    absent = {row["message_id"] for row in rows if row["placeholder"]}
    assert absent == {up for up in parents.values() if up} - set(order)

    topics = {row["message_id"]: row["topic"] for row in rows}
    assert all(topics[one] == topics[mails[one].theirs.root] for one in order)
    place = {one: number for number, one in enumerate(order)}
    filled = {up for one, up in parents.items() if up and place.get(up, -1) > place[one]}
    print(
        f"{name}: {len(order)} mails, {len(order) / took:.0f} posts/s, {len(filled)} placeholders"
        f" filled, {len(absent)} left, {len(set(topics.values()))} topics, {dict(verdicts)}"
    )
    together: dict[str, set[str]] = {}
    for one, topic in topics.items():
        together.setdefault(topic, set()).add(one)
    return {frozenset(group) for group in together.values()}


async def test_the_archive_makes_the_same_forum_in_every_order(bridge, mails):
    draw = chance("archive")
    soak = soaking("archive")
    groups = threads(mails)
    draw.shuffle(groups)
    chosen: list[str] = []
    while groups and (soak or len(chosen) < SAMPLE):
        chosen += groups.pop()
    order = sorted(chosen, key=lambda one: mails[one].came)
    first = await post_all(bridge, "asitcame", mails, order)
    for number in range(ORDERS if soak else 1):
        draw.shuffle(order)
        assert await post_all(bridge, f"order{number}", mails, order) == first
