"""How far a mailbox has been fetched. The cursor lies on the broker, with the mails it speaks of.

Laws:
1. What the cursor says was committed in one batch with the mails it says are stored; nothing else
   decides what is fetched, and nothing but `to_settle` is deleted, moved or marked at once.
2. What is on `to_settle` is stored: it gets there in the batch that carries the mail.
3. Numbers mean something on one server only: another host or login is another era, in which every
   message is looked at anew, and what is known by its content is not stored again.
4. `last` is what the schema `fetch` must be told before the next batch; so that lags by one batch.
"""

from collections.abc import Collection, Sequence
from typing import Literal

import msgspec

from postroom_contract.ids import short_hash

KEY_HASH = 16
"""Characters (80 bits) of a UIDL's hash: two UIDLs of a mailbox never meet."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was done about one message."""

    key: str
    """UID or UIDL."""
    mail: str
    sha256: str
    size: int
    state: Literal["stored", "skipped"]
    reason: str = ""
    title: str = ""
    """Of what was left: its subject and who sent it."""


class Cursor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The document on the broker."""

    serial: int = 0
    writer: str = ""
    """Chance: tells who wrote it, when no answer came."""
    origin: str = ""
    """Hash of protocol, host and login."""
    era: int = 0
    """How often the origin has changed."""
    uidvalidity: str = ""
    """IMAP; empty for POP3. From the second era on, with `/` and the era behind it."""
    uid: int = 0
    """IMAP: every message up to this one has been dealt with."""
    moved_to: int = 0
    """IMAP: up to this one, messages may be known from an earlier UIDVALIDITY, by content."""
    moved: tuple[str, ...] = ()
    """POP3: hashes of the UIDLs that may be known from an earlier era, by content."""
    known: tuple[str, ...] = ()
    """POP3: hashes of the UIDLs that have been dealt with and are still on the server."""
    to_settle: tuple[str, ...] = msgspec.field(default=(), name="to_delete")
    """Keys that are stored and still to be deleted, moved or marked on the server."""
    faults: int = 0
    """Checks in a row that broke off while the next message was being handed out."""
    last: tuple[Entry, ...] = ()


def key_hash(key: str) -> str:
    """Return what `known` has for a UIDL."""
    return short_hash("uidl", key)[:KEY_HASH]


def begun(cursor: Cursor, origin: str, validity: str) -> Cursor:
    """Return the cursor for this server and UIDVALIDITY: from the start, if they are not ours.

    UIDs of another validity name other messages (RFC 3501 §2.3.1.1): none of them may be deleted.
    """
    era = cursor.era if cursor.origin in {"", origin} else cursor.era + 1
    named = f"{validity}/{era}" if era else validity
    if (cursor.origin, cursor.uidvalidity) == (origin, named):
        return cursor
    return Cursor(serial=cursor.serial, origin=origin, era=era, uidvalidity=named)


def moved(cursor: Cursor, keys: Sequence[str], protocol: Literal["imap", "pop3"]) -> Cursor:
    """Return a cursor that has just begun anew: all these may be known by their content."""
    if cursor.serial == 0 or not keys:
        return cursor
    if protocol == "imap":
        return msgspec.structs.replace(cursor, moved_to=max(map(int, keys)))
    return msgspec.structs.replace(cursor, moved=tuple(map(key_hash, keys)))


def may_be_known(cursor: Cursor, key: str, protocol: Literal["imap", "pop3"]) -> bool:
    """Return whether a message was there already when the cursor began anew."""
    if protocol == "imap":
        return int(key) <= cursor.moved_to
    return key_hash(key) in cursor.moved


def is_new(cursor: Cursor, key: str, protocol: Literal["imap", "pop3"]) -> bool:
    """Return whether a message has not been dealt with."""
    if protocol == "imap":
        return int(key) > cursor.uid
    return key_hash(key) not in cursor.known


def listed(cursor: Cursor, keys: Sequence[str], protocol: Literal["imap", "pop3"]) -> Cursor:
    """Return the cursor without what is no longer on the server, given all that is there."""
    present = set(keys)
    remaining = tuple(key for key in cursor.to_settle if key in present)
    known, before = cursor.known, cursor.moved
    if protocol == "pop3":
        hashes = {key_hash(key) for key in keys}
        known = tuple(one for one in known if one in hashes)
        before = tuple(one for one in before if one in hashes)
    return msgspec.structs.replace(cursor, to_settle=remaining, known=known, moved=before)


def advanced(
    cursor: Cursor,
    entries: Sequence[Entry],
    protocol: Literal["imap", "pop3"],
    *,
    settles: bool,
    writer: str,
) -> Cursor:
    """Return the cursor that goes with a batch of these entries, in the order of the listing.

    `settles`: something is still to be done about each on the server.
    """
    stored = tuple(entry.key for entry in entries if entry.state == "stored")
    keys = [entry.key for entry in entries]
    uid, known, before = cursor.uid, cursor.known, cursor.moved
    if protocol == "imap":
        uid = max([uid, *map(int, keys)])
    else:
        done = [one for one in map(key_hash, keys) if one not in cursor.known]
        known = (*known, *done)
        before = tuple(one for one in before if one not in done) if before else ()
    return msgspec.structs.replace(
        cursor,
        serial=cursor.serial + 1,
        writer=writer,
        uid=uid,
        known=known,
        moved=before,
        to_settle=(*cursor.to_settle, *stored) if settles else (),
        faults=0 if entries else cursor.faults,
        last=tuple(entries),
    )


def settled(cursor: Cursor, keys: Collection[str]) -> Cursor:
    """Return the cursor when all has been done on the server about these."""
    remaining = tuple(key for key in cursor.to_settle if key not in keys)
    return msgspec.structs.replace(cursor, to_settle=remaining)


def passed_over(
    keys: Sequence[str], newer: Collection[str], protocol: Literal["imap", "pop3"]
) -> list[str]:
    """Return what a first import leaves out, of all that is there: what is older than `newer`.

    IMAP's cursor is one number, so it ends before the first that is new enough.
    """
    if protocol == "pop3":
        return [key for key in keys if key not in newer]
    first = min((int(key) for key in newer), default=None)
    return [key for key in keys if first is None or int(key) < first]


def behind(
    cursor: Cursor, keys: Sequence[str], protocol: Literal["imap", "pop3"], *, writer: str
) -> Cursor:
    """Return the cursor that counts these as dealt with, though nothing was done about them."""
    uid, known = cursor.uid, cursor.known
    if protocol == "imap":
        uid = max([uid, *map(int, keys)])
    else:
        known = (*known, *map(key_hash, keys))
    return msgspec.structs.replace(
        cursor, serial=cursor.serial + 1, writer=writer, uid=uid, known=known, last=()
    )


def faulted(cursor: Cursor, writer: str) -> Cursor:
    """Return the cursor that remembers that the next message could not be had."""
    return msgspec.structs.replace(
        cursor, serial=cursor.serial + 1, writer=writer, faults=cursor.faults + 1, last=()
    )
