"""Connect links: an administrator sends one, and whom it names connects one mailbox with it."""

import secrets
from datetime import timedelta

import msgspec

from postroom_api.domain import passwords
from postroom_api.domain.connecting import LINK_DAYS, ConnectLink
from postroom_api.domain.mailbox_settings import Mailbox, MailboxSettings
from postroom_api.domain.values import Principal
from postroom_api.http.catalogue import Catalogue
from postroom_api.http.entries import require_administrator
from postroom_api.http.links_by_mail import LinksByMail
from postroom_api.http.office import Office
from postroom_api.http.problems import invalid
from postroom_api.ports import LinkUsedError
from postroom_api.postgres.connect_links import ConnectLinks
from postroom_runtime.clock import Clock


class Connecting:
    """Makes links, opens them, and makes mailboxes through them."""

    def __init__(
        self,
        office: Office,
        catalogue: Catalogue,
        links: ConnectLinks,
        clock: Clock,
        mail: LinksByMail,
    ) -> None:
        self._office = office
        self._catalogue = catalogue
        self._links = links
        self._clock = clock
        self._mail = mail

    async def make_link(
        self, who: Principal, person: str, service: str, *, send: bool = False
    ) -> ConnectLink:
        """Return a new link; its address is shown this once. `send`: mail it to them, too."""
        require_administrator(who)
        found = await self._office.person(who, person)
        if found is None:
            raise invalid("person", "unknown", f"There is nobody called {person!r} here.")
        chosen = await self._catalogue.service(who, service)
        if not chosen.choosable:
            raise invalid("service", "not_permitted", f"{chosen.name} is not permitted here.")
        secret = secrets.token_urlsafe(32)
        link = ConnectLink(
            id=self._clock.new_id("lnk"),
            person=found,
            service=chosen.id,
            expires_at=self._clock.now() + timedelta(days=LINK_DAYS),
            used_at=None,
        )
        await self._links.add(who, link, passwords.hash_secret(secret))
        url = f"{self._mail.base_url}/connect/{secret}"
        if send:
            whom = await self._office.owner(who, found)
            await self._mail.send(who, "connect", whom.email or "", whom.name or "", url)
        return msgspec.structs.replace(link, url=url, sent=send)

    async def open(self, who: Principal, secret: str) -> ConnectLink:
        """Return a link that still opens for this person, or answer 410."""
        hashed = passwords.hash_secret(secret)
        found = await self._links.open(who, hashed, self._clock.now())
        if found is None:
            raise LinkUsedError
        return found

    async def connect(self, who: Principal, secret: str, settings: MailboxSettings) -> Mailbox:
        """Make the mailbox of a link for who is named in it, and use the link up."""
        link = await self.open(who, secret)
        settings = msgspec.structs.replace(
            settings, kind="user", owner=who.id, service=link.service
        )
        return await self._office.add_mailbox(who, settings, passwords.hash_secret(secret))
