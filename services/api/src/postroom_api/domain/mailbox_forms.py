"""A mailbox as a form, and back."""

from collections.abc import Mapping
from typing import Any

import msgspec

from postroom_api.domain.mailbox_settings import Mailbox, MailboxSettings
from postroom_api.domain.needed import refused


class MailboxForm(msgspec.Struct):
    """The fields as a browser has them; numbers are text, 0 and empty mean the same."""

    name: str = ""
    description: str = ""
    active: bool = True
    addresses: str = ""
    host: str = ""
    port: str = ""
    tls: str = "implicit"
    verify: bool = True
    login: str = ""
    password: str = ""
    apop: bool = False
    interval_minutes: str = ""
    delete_after: bool = False
    delete_after_days: str = ""
    mark_read: bool = False
    move_to: str = ""
    folders: str = ""
    """One on each line."""
    first_import_days: str = ""
    max_messages: str = ""
    max_message_kb: str = ""
    keep_days: str = ""
    no_text: bool = False
    """Its text is not indexed; said this way round, a form without the box changes nothing."""
    no_raw: bool = False
    owner: str = ""
    service: str = ""
    web_link: str = ""
    charset: str = ""


class FormError(ValueError):
    """The form cannot be understood; the text is for the person who filled it in."""


_FLAGS = ("active", "verify", "apop", "delete_after", "mark_read", "no_text", "no_raw")
_NUMBERS = ("max_messages", "max_message_kb", "keep_days")


def read(fields: Mapping[str, str]) -> MailboxForm:
    """Return the form; an unchecked box is not sent, so it is off."""
    form = MailboxForm()
    for name in form.__struct_fields__:
        if name in _FLAGS:
            setattr(form, name, bool(fields.get(name)))
        else:
            setattr(form, name, fields.get(name, "").strip())
    form.password = fields.get("password", "")
    return form


def to_form(mailbox: Mailbox) -> MailboxForm:
    """Return the form that shows a mailbox; never a password."""
    source, limits = mailbox.source, mailbox.limits
    return MailboxForm(
        name=mailbox.name,
        description=mailbox.description,
        active=mailbox.active,
        addresses="\n".join(source.addresses),
        host=source.host,
        port=str(source.port or ""),
        tls=source.tls,
        verify=source.verify,
        login=source.login,
        apop=source.apop,
        interval_minutes=str(source.interval_minutes or ""),
        delete_after=source.delete_after,
        delete_after_days=str(source.delete_after_days or ""),
        mark_read=source.mark_read,
        move_to=source.move_to,
        folders="\n".join(source.folders),
        first_import_days="" if source.first_import_days is None else str(source.first_import_days),
        max_messages=str(limits.max_messages or ""),
        max_message_kb=str(limits.max_message_kb or ""),
        keep_days=str(limits.keep_days or ""),
        no_text=not mailbox.privacy.index_text,
        no_raw=not mailbox.privacy.keep_raw,
        owner=(mailbox.owner.email or mailbox.owner.id) if mailbox.owner else "",
        service=mailbox.service.id if mailbox.service else "",
        web_link=mailbox.web_link,
        charset=source.charset,
    )


def settings_of(
    form: MailboxForm, source_type: str, kind: str = "system", before: Mailbox | None = None
) -> MailboxSettings:
    """Return the settings; FormError names the field that is no number or too long.

    What the form does not show stays as it was `before`.
    """
    source: dict[str, Any] = {
        "type": source_type,
        "addresses": form.addresses.split(),
        "host": form.host,
        "port": form.port or 0,
        "tls": form.tls,
        "verify": form.verify,
        "login": form.login,
        "password": form.password or None,
        "apop": form.apop,
        "interval_minutes": form.interval_minutes or 0,
        "delete_after": form.delete_after,
        "delete_after_days": form.delete_after_days or 0,
        "mark_read": form.mark_read,
        "move_to": form.move_to,
        "folders": [line.strip() for line in form.folders.splitlines() if line.strip()],
        "first_import_days": form.first_import_days or None,
        "charset": form.charset,
        "ca": before.source.ca if before else "",
    }
    plain = {
        "name": form.name,
        "description": form.description,
        "active": form.active,
        "source": source,
        "kind": kind,
        "owner": form.owner or None,
        "service": form.service or None,
        "web_link": form.web_link,
        "limits": {name: getattr(form, name) or 0 for name in _NUMBERS},
        "privacy": {"index_text": not form.no_text, "keep_raw": not form.no_raw},
    }
    try:
        return msgspec.convert(plain, type=MailboxSettings, strict=False)
    except msgspec.ValidationError as error:
        wrong = refused(error, MailboxSettings)
        field = wrong.pointer.strip("/").replace("/", " ").replace("_", " ")
        raise FormError(f"{field}: {wrong.detail}") from error
