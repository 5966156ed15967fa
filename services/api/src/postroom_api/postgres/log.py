"""Reading the message log, the deliveries and what was set aside."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from postroom_api.domain import cursors
from postroom_api.domain.message_search import Mark, MessageQuery
from postroom_api.domain.values import Delivery, MessageRow, PageOf, Principal, SetAsideRow
from postroom_api.domain.visible import for_eyes
from postroom_api.postgres.access import Access
from postroom_api.postgres.audit import note_reading, record, record_all
from postroom_api.postgres.configuration import note
from postroom_api.postgres.pages import page_of
from postroom_contract.commands import Redo
from postroom_contract.events import MailSorted
from postroom_contract.ids import derived_id
from postroom_contract.mail import Pointer

MESSAGE = (
    "id, mailbox, received_at, recipient, envelope_sender, from_name, from_address, subject, size,"
    " importance, spam_rating, spam, tags, read, deleted_at, forum, topic, post,"
    " quarantined_until, trained, erased_at"
)
RESTORED: Final = (
    "deleted_at = NULL, quarantined_until = CASE WHEN quarantined_until < $3::timestamptz"
    " THEN $3::timestamptz + interval '7 days' ELSE quarantined_until END"
)
"""Brought back; what had ended its days in quarantine has some more, to be looked at."""
_MARKS: Final[dict[Mark, str]] = {
    "spam": "spam = true",
    "not_spam": "spam = false",
    "read": "read = true",
    "unread": "read = false",
    "delete": "deleted_at = coalesce(deleted_at, $3)",
    "restore": RESTORED,
    "tag": "tags = array_append(array_remove(tags, $2), $2)",
    "untag": "tags = array_remove(tags, $2)",
    "forget": "trained = NULL",
    "release": "quarantined_until = NULL, released_at = $3, spam = false",
}
_TEACHING: Final[dict[Mark, str]] = {
    "spam": "true", "not_spam": "false", "release": "false", "forget": "NULL::boolean",
}  # fmt: skip
"""What the filter is taught by a mark."""
_APART: Final = "quarantined_until IS NOT NULL AND deleted_at IS NULL"
_WHERE: Final = {
    (False, False): "deleted_at IS NULL AND quarantined_until IS NULL",
    (False, True): _APART,
    (True, False): "deleted_at IS NOT NULL",
    (True, True): "deleted_at IS NOT NULL",
}
"""By (deleted, quarantine), in words that the partial indexes have."""
_RULES = "SELECT id FROM config.rule"
DELIVERY = (
    "serial, origin, outbox, forum, recipient, subject, message_id, state, reply, attempt,"
    " next_attempt_at, reported_at, status"
)
_SET_ASIDE = "id, service, subject, reason, deliveries, stored_at, redone_at"


class MessageDetail(msgspec.Struct, frozen=True):
    """One mail with the event that decided on it, and where its raw bytes lie."""

    row: MessageRow
    event: MailSorted
    raw: Pointer
    managed: bool
    """They may mark it."""


class Log:
    """What the projector wrote, as the principal may see it."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def messages(
        self,
        who: Principal,
        cursor: str | None,
        limit: int,
        *,
        deleted: bool = False,
        quarantine: bool = False,
        mailbox: str | None = None,
    ) -> PageOf[MessageRow]:
        """Return a page of mail, newest first; of the deleted, of one mailbox where asked for."""
        before, row = cursors.decode_time_and_id(cursor) if cursor else (None, "")
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                f"SELECT {MESSAGE} FROM config.message WHERE account = $1"  # noqa: S608 - constants
                f"{' AND mailbox = $5' if mailbox else ''}"
                " AND ($2::timestamptz IS NULL OR (received_at, id) < ($2, $3))"
                f" AND {_WHERE[deleted, quarantine]}"
                " ORDER BY received_at DESC, id DESC LIMIT $4",
                who.account,
                before,
                row,
                limit + 1,
                *((mailbox,) if mailbox else ()),
            )
        return page_of(rows, limit, MessageRow, lambda one: (one.received_at, one.id))

    async def search(
        self, who: Principal, query: MessageQuery, cursor: str | None, limit: int
    ) -> PageOf[MessageRow]:
        """Return a page of what fits, newest first."""
        before, row = cursors.decode_time_and_id(cursor) if cursor else (None, "")
        wanted = msgspec.json.encode(query.wanted()).decode()
        async with self._access.principal(who) as connection:
            boxes = None
            if not who.administrator:
                found = await connection.fetch("SELECT id FROM config.mailbox")
                boxes = [one["id"] for one in found]
            rows = await connection.fetch(
                f"SELECT {MESSAGE} FROM config.message WHERE id = ANY(ARRAY("  # noqa: S608 - constant
                " SELECT * FROM config.messages_found($1::jsonb, $2, $3, $4, $5)))"
                " ORDER BY received_at DESC, id DESC",
                wanted,
                boxes,
                before,
                row,
                limit + 1,
            )
        return page_of(rows, limit, MessageRow, lambda one: (one.received_at, one.id))

    async def mark(
        self,
        who: Principal,
        messages: Sequence[str],
        mark: Mark,
        tag: str,
        now: datetime,
        *,
        teach: bool = False,
    ) -> list[str]:
        """Mark mails; return the ids of those that were there and theirs to change.

        `teach`: the spam filter learns it, where the mark says whether it is spam.
        """
        change = _MARKS[mark]
        taught = _TEACHING.get(mark) if teach or mark == "forget" else None
        if taught:
            change = (
                f"{change}, " * (mark != "forget")
                + f"trained = {taught}, trained_by = $4, trained_at = $3"
            )
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                f"UPDATE config.message SET {change} WHERE id = ANY($1)"  # noqa: S608 - constants
                f"{' AND quarantined_until IS NOT NULL' if mark == 'release' else ''}"
                f"{' AND trained IS NOT NULL' if mark == 'forget' else ''}"
                " AND erased_at IS NULL AND erasing_at IS NULL"
                " AND ((SELECT config.manages()) OR mailbox IN"
                " (SELECT config.managed_mailboxes()))"
                # Not every mark takes both, and each must have a type.
                " AND $2::text IS NOT NULL AND $3::timestamptz IS NOT NULL"
                " AND $4::text IS NOT NULL RETURNING id",
                list(messages),
                tag,
                now,
                who.id,
            )
            done = [row["id"] for row in rows]
            if taught:
                await note(connection, *(f"training {one}" for one in done))
            if mark == "release":
                await note(connection, *(f"released {one}" for one in done))
            if done:
                await record_all(
                    connection,
                    who,
                    f"message.{mark}",
                    {one: {"tag": tag} if tag else {} for one in done},
                )
        return done

    async def message(self, who: Principal, message: str) -> MessageDetail | None:
        """Return one mail, or None."""
        async with self._access.principal(who) as connection:
            row = await connection.fetchrow(
                f"SELECT {MESSAGE}, event, stream, sequence, (SELECT config.manages())"  # noqa: S608 - constant
                " OR mailbox IN (SELECT config.managed_mailboxes()) AS managed"
                " FROM config.message WHERE id = $1",
                message,
            )
            if row is None:
                return None
            await note_reading(connection, who, message, row["mailbox"])
            rules = [] if who.administrator else await connection.fetch(_RULES)
        values = dict(row)
        event = msgspec.json.decode(values.pop("event"), type=MailSorted)
        if not who.administrator:  # to those who manage, removed rules are named too
            decision = for_eyes(event.decision, {one["id"] for one in rules})
            event = msgspec.structs.replace(event, decision=decision)
        raw = Pointer(values.pop("stream"), values.pop("sequence"))
        managed = values.pop("managed")
        return MessageDetail(MessageRow(**values), event, raw, managed)

    async def deliveries(
        self, who: Principal, cursor: str | None, limit: int, origin: str | None = None
    ) -> PageOf[Delivery]:
        """Return a page of outgoing mail, newest first; of one post where `origin` is given."""
        before, serial = cursors.decode_time_and_id(cursor) if cursor else (None, "0")
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                f"SELECT {DELIVERY} FROM config.delivery WHERE account = $1"  # noqa: S608 - constant
                " AND ($2::timestamptz IS NULL OR (reported_at, serial) < ($2, $3))"
                " AND ($5::text IS NULL OR origin = $5)"
                " ORDER BY reported_at DESC, serial DESC LIMIT $4",
                who.account,
                before,
                int(serial),
                limit + 1,
                origin,
            )
        return page_of(rows, limit, Delivery, lambda one: (one.reported_at, str(one.serial)))

    async def delivery(self, who: Principal, serial: int) -> Delivery | None:
        """Return one outgoing mail, or None."""
        async with self._access.principal(who) as connection:
            row = await connection.fetchrow(
                f"SELECT {DELIVERY} FROM config.delivery WHERE serial = $1",  # noqa: S608 - constant
                serial,
            )
        return Delivery(**dict(row)) if row else None

    async def set_aside(
        self, who: Principal, cursor: str | None, limit: int
    ) -> PageOf[SetAsideRow]:
        """Return a page of what was set aside, newest first."""
        before, entry = cursors.decode_time_and_id(cursor) if cursor else (None, "")
        async with self._access.principal(who) as connection:
            rows = await connection.fetch(
                f"SELECT {_SET_ASIDE} FROM config.set_aside WHERE account = $1"  # noqa: S608 - constant
                " AND discarded_at IS NULL"
                " AND ($2::timestamptz IS NULL OR (stored_at, id) < ($2, $3))"
                " ORDER BY stored_at DESC, id DESC LIMIT $4",
                who.account,
                before,
                entry,
                limit + 1,
            )
        return page_of(rows, limit, SetAsideRow, lambda one: (one.stored_at, one.id))

    async def discard(self, who: Principal, entry: str, now: datetime) -> bool:
        """Hide an entry that nobody wants; False when there is none."""
        async with self._access.principal(who) as connection:
            reason = await connection.fetchval(
                "UPDATE config.set_aside SET discarded_at = coalesce(discarded_at, $2)"
                " WHERE id = $1 RETURNING reason",
                entry,
                now,
            )
            if reason is not None:
                await record(connection, who, "set_aside.discarded", entry, reason=reason)
        return reason is not None

    async def redo(self, who: Principal, entry: str, now: datetime) -> Redo | None:
        """Return the command that tries an entry again, and note when; None = no such entry.

        Each press draws a fresh command id: a repeated one would be swallowed as a duplicate.
        """
        async with self._access.principal(who) as connection:
            row: Any = await connection.fetchrow(
                "UPDATE config.set_aside SET redone_at = $2 WHERE id = $1"
                " RETURNING account, service, sequence",
                entry,
                now,
            )
        if row is None:
            return None
        return Redo(
            id=derived_id("cmd", "redo", entry, now.isoformat()),
            account=row["account"],
            correlation=entry,
            causation=entry,
            service=row["service"],
            dead=entry,
            original=Pointer("DEAD", row["sequence"]),
        )
