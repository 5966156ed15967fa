"""A mailbox as a row, and as the API shows it."""

from typing import Any, Final

import msgspec

from postroom_api.domain.mailbox_settings import (
    LastCheck,
    Mailbox,
    MailboxLimits,
    MailboxPrivacy,
    Owner,
    PasswordState,
    ServiceRef,
    SourceView,
    state_of,
    warnings,
)
from postroom_contract.events import SkippedMail

DEACTIVATED: Final = "p.state = 'deactivated'"
"""What makes the owner `p` of a mailbox deactivated."""
_ORPHANED: Final = f"coalesce({DEACTIVATED}, false) AS orphaned"
SELECT: Final = (
    f"SELECT m.*, g.mails, g.bytes, g.unread, {_ORPHANED},"  # noqa: S608 - constants
    " c.state, c.error, c.checked_at, c.next_check_at, c.found, c.stored, c.skipped,"
    " array(SELECT a.address FROM config.address a WHERE a.mailbox = m.id ORDER BY a.address)"
    " AS addresses,"
    " (SELECT min(a.forum) FROM config.address a WHERE a.mailbox = m.id) AS forum,"
    " p.name AS owner_name, p.email AS owner_email, v.name AS service_name,"
    " CASE WHEN (SELECT config.manages()) OR m.owner = config.me() THEN 'full'"
    " ELSE coalesce((SELECT h.level FROM config.mailbox_share h WHERE h.mailbox = m.id"
    " AND h.person = config.me() AND (h.until IS NULL OR h.until > now())), 'read') END AS access"
    " FROM config.mailbox m LEFT JOIN config.mailbox_check c ON c.mailbox = m.id"
    " LEFT JOIN config.person p ON p.id = m.owner"
    " LEFT JOIN config.mail_service v ON v.id = m.service"
    " JOIN config.mailbox_summary g ON g.mailbox = m.id"
)


def mailbox_of(row: Any) -> Mailbox:
    """Return the mailbox of a row of SELECT."""
    source = SourceView(
        type=row["source"],
        addresses=list(row["addresses"]),
        host=row["host"],
        port=row["port"],
        tls=row["tls"],
        verify=row["verify"],
        login=row["login"],
        password=PasswordState(bool(row["sealed_password"]), row["password_set_at"]),
        apop=row["apop"],
        interval_minutes=row["interval_minutes"],
        delete_after=row["delete_after"],
        delete_after_days=row["delete_after_days"],
        mark_read=row["mark_read"],
        move_to=row["move_to"],
        folders=list(row["folders"]),
        first_import_days=row["first_import_days"],
        ca=row["ca"],
        auth=row["auth"],
        charset=row["charset"],
    )
    limits = MailboxLimits(
        max_messages=row["max_messages"],
        max_message_kb=row["max_message_kb"],
        keep_days=row["keep_days"],
    )
    return Mailbox(
        id=row["id"],
        name=row["name"],
        kind=row["kind"],
        description=row["description"],
        active=row["active"],
        source=source,
        limits=limits,
        privacy=MailboxPrivacy(index_text=row["index_text"], keep_raw=row["keep_raw"]),
        last_check=_last_check(row),
        warnings=warnings(source, keep_raw=row["keep_raw"]),
        forum=row["forum"],
        created_at=row["created_at"],
        version=row["version"],
        state=state_of(
            source=row["source"],
            active=row["active"],
            has_password=bool(row["sealed_password"]),
            last_check=row["state"],
        ),
        paused_for=row["paused_for"],
        access=row["access"],
        owner=_owner(row),
        service=ServiceRef(id=row["service"], name=row["service_name"] or "")
        if row["service"]
        else None,
        web_link=row["web_link"],
        orphaned=row["orphaned"],
        mails=row["mails"],
        bytes=row["bytes"],
        unread=row["unread"],
    )


def _last_check(row: Any) -> LastCheck | None:
    if row["state"] is None:
        return None
    return LastCheck(
        state=row["state"],
        error=row["error"],
        checked_at=row["checked_at"],
        next_check_at=row["next_check_at"],
        found=row["found"],
        stored=row["stored"],
        skipped=msgspec.json.decode(row["skipped"], type=list[SkippedMail]),
    )


def _owner(row: Any) -> Owner | None:
    if row["owner"] is None:
        return None
    return Owner(id=row["owner"], name=row["owner_name"], email=row["owner_email"])
