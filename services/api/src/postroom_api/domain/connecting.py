"""Mailboxes of users: who may have one, and what its e-mail service decides.

Laws: a new mailbox of a user goes through a service that is active and permitted, and has that
service's server unless the service leaves it free. Users make mailboxes for themselves only;
administrators for anybody, and only they hand one over.
"""

from collections.abc import Iterator
from datetime import datetime
from urllib.parse import urlsplit

import msgspec

from postroom_api.domain.mail_services import MailService
from postroom_api.domain.mailbox_settings import Mailbox, MailboxSettings

LINK_DAYS = 7
"""How long a connect link opens."""


class ConnectLink(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation of one person to connect one mailbox; its address is shown once."""

    id: str
    person: str
    service: str
    expires_at: datetime
    used_at: datetime | None
    url: str | None = None
    sent: bool = False
    """It was mailed to them."""


def through(
    settings: MailboxSettings, service: MailService | None, before: Mailbox | None
) -> MailboxSettings:
    """Return the settings with what the service decides; of a system mailbox, as they are.

    A mailbox that stays with its service keeps the server it has: changes come by push.
    """
    if settings.kind != "user" or service is None:
        return settings
    link = settings.web_link or service.web_link
    source = settings.source
    stays = before is not None and before.service is not None and before.service.id == service.id
    if service.free:
        pass
    elif stays:
        assert before is not None
        have = before.source
        source = msgspec.structs.replace(
            source,
            host=have.host,
            port=have.port,
            tls=have.tls,
            verify=have.verify,
            ca=have.ca,
        )
    else:
        imap = service.imap
        source = msgspec.structs.replace(
            source, host=imap.host, port=imap.port, tls=imap.tls, verify=imap.verify, ca=imap.ca
        )
    return msgspec.structs.replace(settings, source=source, web_link=link)


def problems(
    settings: MailboxSettings, service: MailService | None, before: Mailbox | None, now: datetime
) -> Iterator[tuple[str, str]]:
    """Yield (JSON pointer, sentence) for what cannot be saved because of kind or service."""
    if settings.kind == "system":
        for name in ("service", "owner"):
            if getattr(settings, name):
                yield f"/{name}", f"a system mailbox has no {name}; make one of kind user"
        return
    if settings.source.type != "imap":
        yield "/source/type", "a mailbox of a user is connected by IMAP"
    if settings.web_link and not settings.web_link.startswith(("https://", "http://")):
        yield "/web_link", "a web link begins with https:// or http://"
    elif settings.web_link and not urlsplit(settings.web_link).netloc:
        yield "/web_link", "a web link must name a server, as https://example.org/mail"
    yield from _service_problems(settings, service, before, now)


def _service_problems(
    settings: MailboxSettings, service: MailService | None, before: Mailbox | None, now: datetime
) -> Iterator[tuple[str, str]]:
    had = before.service.id if before and before.service else None
    if service is None:
        if settings.service or before is None or had:
            words = "choose one of the permitted e-mail services"
            yield "/service", words if not settings.service else f"it is not there: {words}"
        return
    if service.id != had and not service.choosable:
        yield "/service", f"{service.name} is not permitted here: choose another e-mail service"
    elif service.id == had and settings.active and service.over(now):
        yield "/active", f"{service.name} is no longer permitted, so the mailbox stays paused"


def may_have_another(have: int, limit: int) -> str | None:
    """Return why a person may have no further mailbox, or None."""
    if have < limit:
        return None
    return f"nobody may have more than {limit} {'mailbox' if limit == 1 else 'mailboxes'} here"
