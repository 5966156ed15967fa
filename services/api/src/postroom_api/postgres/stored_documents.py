"""Configuration rows as the documents that services read; a row that is gone becomes a deletion."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec

from postroom_contract import documents
from postroom_contract.rules import Action, Condition
from postroom_runtime.postgres import Connection

Document = (
    documents.AddressDocument
    | documents.DomainDocument
    | documents.MailboxDocument
    | documents.RuleDocument
    | documents.RulesetDocument
    | documents.SubmissionDocument
    | documents.SuppressedDocument
    | documents.HoldDocument
    | documents.DoorDocument
    | documents.SpamDocument
)


async def _next_version(connection: Connection) -> int:
    return int(await connection.fetchval("SELECT nextval('config.version')"))


async def address(connection: Connection, address: str) -> tuple[str, Document]:
    """Return (key, document) of an address."""
    row: Any = await connection.fetchrow(
        "SELECT address, account, mailbox, forum, version, EXISTS (SELECT 1 FROM config.ruleset s"
        " WHERE s.scope IN (a.mailbox, a.account) AND s.rejects) AS rejects"
        " FROM config.address a WHERE address = $1",
        address,
    )
    document = (
        documents.AddressDocument(**dict(row))
        if row
        else documents.AddressDocument(
            address=address, account="", mailbox="", deleted=True,
            version=await _next_version(connection),
        )
    )  # fmt: skip
    return documents.address_key(address), document


async def domain(connection: Connection, domain: str) -> tuple[str, Document]:
    """Return (key, document) of a domain."""
    row: Any = await connection.fetchrow(
        "SELECT domain, account, version FROM config.domain WHERE domain = $1", domain
    )
    keys: Any = await connection.fetch(
        "SELECT selector, sealed FROM config.dkim_key WHERE domain = $1 AND state = 'signs'"
        " ORDER BY created_at, selector",
        domain,
    )
    document = (
        documents.DomainDocument(
            **dict(row), keys=tuple(documents.DkimKey(**dict(one)) for one in keys)
        )
        if row
        else documents.DomainDocument(
            domain=domain, account="", deleted=True, version=await _next_version(connection)
        )
    )
    return documents.domain_key(domain), document


async def submission(connection: Connection, login: str) -> tuple[str, Document]:
    """Return (key, document) of who may sign in to send mail."""
    rows: Any = await connection.fetch(
        "SELECT s.account, s.hash FROM config.submission_password s"
        " JOIN config.person p ON p.id = s.person AND p.state = 'active'"
        " WHERE s.login = $1 ORDER BY s.created_at, s.id",
        login,
    )
    document = documents.SubmissionDocument(
        login=login,
        account=rows[0]["account"] if rows else "",
        hashes=tuple(row["hash"] for row in rows),
        deleted=not rows,
        version=await _next_version(connection),
    )
    return documents.submission_key(login), document


async def suppressed(connection: Connection, names: str) -> tuple[str, Document]:
    """Return (key, document) of `account address` that nothing is sent to, or is again."""
    account, _, address = names.partition(" ")
    row: Any = await connection.fetchrow(
        "SELECT version FROM config.suppression WHERE account = $1 AND address = $2",
        account,
        address,
    )
    document = documents.SuppressedDocument(
        address=address,
        account=account,
        version=row["version"] if row else await _next_version(connection),
        deleted=row is None,
    )
    return documents.suppressed_key(account, address), document


async def hold(connection: Connection, held: str) -> tuple[str, Document]:
    """Return (key, document) of what is held back, or no more: `account domain`."""
    account, _, domain = held.partition(" ")
    version = await connection.fetchval(
        "SELECT version FROM config.hold WHERE account = $1 AND domain = $2", account, domain
    )
    document = documents.HoldDocument(
        account=account,
        domain=domain,
        version=version or await _next_version(connection),
        deleted=version is None,
    )
    return documents.hold_key(account, domain), document


async def door(connection: Connection, _which: str) -> list[tuple[str, Document]]:
    """Return (key, document) of the SMTP server's door; nothing as long as nobody touched it."""
    row: Any = await connection.fetchrow("SELECT open, version FROM config.door")
    return [(documents.DOOR_KEY, documents.DoorDocument(**dict(row)))] if row else []


async def mailboxes(
    connection: Connection, wanted: Sequence[str]
) -> dict[str, tuple[str, Document]]:
    """Return (key, document) of each of these mailboxes."""
    rows: Any = await connection.fetch(
        "SELECT m.*, v.oauth_token_url, v.oauth_client, v.oauth_sealed_secret"
        " FROM config.mailbox m LEFT JOIN config.mail_service v ON v.id = m.service"
        " WHERE m.id = ANY($1)",
        list(wanted),
    )
    found: dict[str, Document] = {row["id"]: _mailbox_document(row) for row in rows}
    for gone in set(wanted) - found.keys():
        found[gone] = documents.MailboxDocument(
            id=gone, account="", name="", kind="system", source="smtp", active=False,
            deleted=True, version=await _next_version(connection),
        )  # fmt: skip
    return {id_: (documents.mailbox_key(id_), document) for id_, document in found.items()}


def _mailbox_document(row: Any) -> documents.MailboxDocument:
    """Return the document; who has to sign in again fetches no more than who is paused."""
    return documents.MailboxDocument(
        id=row["id"],
        account=row["account"],
        name=row["name"],
        kind=row["kind"],
        source=row["source"],
        active=row["active"] and (row["source"] == "smtp" or bool(row["sealed_password"])),
        version=row["version"],
        max_message_bytes=row["max_message_kb"] * 1024,
        keep_days=row["keep_days"],
        fetch=None if row["source"] == "smtp" else _fetch_source(row),
        charset=row["charset"],
        index_text=row["index_text"],
    )


def _fetch_source(row: Any) -> documents.FetchSource:
    return documents.FetchSource(
        host=row["host"],
        port=row["port"],
        tls=row["tls"],
        verify=row["verify"],
        login=row["login"],
        sealed_password=row["sealed_password"],
        apop=row["apop"],
        interval_minutes=row["interval_minutes"],
        max_messages=row["max_messages"],
        max_message_kb=row["max_message_kb"],
        delete_after=row["delete_after"],
        delete_after_days=row["delete_after_days"],
        mark_read=row["mark_read"],
        move_to=row["move_to"],
        folders=tuple(row["folders"]),
        first_import_days=row["first_import_days"],
        ca=row["ca"],
        auth=row["auth"],
        **_client(row),
    )


def _client(row: Any) -> dict[str, str]:
    """Return where an access token is had; a password needs none of it."""
    if row["auth"] != "oauth2":
        return {}
    return {
        "token_url": row["oauth_token_url"] or "",
        "client_id": row["oauth_client"] or "",
        "sealed_client_secret": row["oauth_sealed_secret"] or "",
    }


async def gone_rule(connection: Connection, gone: str) -> tuple[str, Document]:
    """Return (key, document) that says a rule is no more: `scope rule`."""
    scope, _, rule = gone.partition(" ")
    version = await _next_version(connection)
    return documents.rule_key(scope, rule), documents.RuleDocument(
        id=rule, account="", scope=scope, name="", active=False,
        when=_NEVER, then=(), version=version, deleted=True,
    )  # fmt: skip


_NEVER: Condition = msgspec.json.decode(b'{"kind":"group","mode":"any","of":[]}', type=Condition)


async def ruleset(connection: Connection, scope: str) -> list[tuple[str, Document]]:
    """Rules first, then their order: a reader that has the order has the rules."""
    rows = await connection.fetch(
        "SELECT id, account, name, active, condition, actions, version, layer, shadow"
        " FROM config.rule"
        " WHERE scope = $1 ORDER BY position, id",
        scope,
    )
    found: list[tuple[str, Document]] = []
    for row in rows:
        rule = documents.RuleDocument(
            id=row["id"],
            account=row["account"],
            scope=scope,
            name=row["name"],
            active=row["active"],
            when=msgspec.json.decode(row["condition"], type=Condition),
            then=tuple(msgspec.json.decode(row["actions"], type=list[Action])),
            version=row["version"],
            layer=row["layer"],
            shadow=row["shadow"],
        )
        found.append((documents.rule_key(scope, rule.id), rule))
    head: Any = await connection.fetchrow(
        "SELECT account, version FROM config.ruleset WHERE scope = $1", scope
    )
    found.append(
        (
            documents.ruleset_key(scope),
            documents.RulesetDocument(
                scope=scope,
                account=head["account"] if head else "",
                version=head["version"] if head else await _next_version(connection),
                rules=tuple(row["id"] for row in rows),
                deleted=head is None,
            ),
        )
    )
    return found


async def spam(connection: Connection, account: str) -> tuple[str, Document]:
    """Return (key, document) of how an account's mail is rated."""
    row: Any = await connection.fetchrow(
        "SELECT account, mark_at, quarantine_at, quarantine_days, trusted_headers, allowed,"
        " blocked, version FROM config.spam_filter WHERE account = $1",
        account,
    )
    document = (
        msgspec.convert(dict(row), documents.SpamDocument)
        if row
        else documents.SpamDocument(
            account=account, deleted=True, version=await _next_version(connection)
        )
    )
    return documents.spam_key(account), document


Reader = Callable[[Connection, str], Awaitable[list[tuple[str, Document]]]]


def _alone(read: Callable[[Connection, str], Awaitable[tuple[str, Document]]]) -> Reader:
    async def listed(connection: Connection, which: str) -> list[tuple[str, Document]]:
        return [await read(connection, which)]

    return listed


READERS: Final[dict[str, Reader]] = {
    "address": _alone(address),
    "domain": _alone(domain),
    "submission": _alone(submission),
    "suppressed": _alone(suppressed),
    "hold": _alone(hold),
    "door": door,
    "spam": _alone(spam),
    "rule": _alone(gone_rule),
    "ruleset": ruleset,
}
"""By the first word of a note; the rest of it says which. Mailboxes are read many at once."""
