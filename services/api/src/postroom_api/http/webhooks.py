"""Webhooks as API and pages see them."""

import base64
import secrets

from postroom_api.domain.values import PageOf, Principal
from postroom_api.domain.webhooks import (
    MOST_WEBHOOKS,
    PREFIX,
    CallState,
    MadeWebhook,
    Webhook,
    WebhookCall,
    url_problem,
)
from postroom_api.http.entries import require_administrator
from postroom_api.http.problems import ProblemError, invalid, not_found
from postroom_api.http.versions import expect
from postroom_api.ports import StaleError
from postroom_api.postgres.webhooks import Webhooks
from postroom_api.sealing import OwnSeal
from postroom_mail.text import one_line
from postroom_runtime.clock import Clock


class WebhookDesk:
    """What those who manage an account do about its webhooks."""

    def __init__(self, rows: Webhooks, seal: OwnSeal, clock: Clock) -> None:
        self._rows = rows
        self._seal = seal
        self._clock = clock

    async def all(self, who: Principal) -> list[Webhook]:
        """Return the account's webhooks."""
        require_administrator(who)
        return await self._rows.all(who)

    async def one(self, who: Principal, webhook: str) -> Webhook:
        """Return one of them; 404 where there is none."""
        require_administrator(who)
        found = await self._rows.all(who, webhook)
        if not found:
            raise not_found("webhook")
        return found[0]

    async def add(self, who: Principal, name: str, url: str) -> MadeWebhook:
        """Make one; its secret is shown this once."""
        require_administrator(who)
        name, url = _name(name), _url(url)
        webhook, secret = self._clock.new_id("whk"), new_secret()
        sealed = self._seal.seal(webhook, secret)
        if not await self._rows.add(who, webhook, name, url, sealed, MOST_WEBHOOKS):
            words = f"There are {MOST_WEBHOOKS} webhooks: remove one first."
            raise ProblemError(409, "limit", words)
        return MadeWebhook(webhook=await self.one(who, webhook), secret=secret)

    async def change(
        self,
        who: Principal,
        webhook: str,
        *,
        name: str | None = None,
        url: str | None = None,
        active: bool | None = None,
        if_match: str | None = None,
    ) -> Webhook:
        """Change one; what is None stays. Switching it on forgets why it was off."""
        before = await self.one(who, webhook)
        expect(before.version, if_match)
        await self._write(
            who,
            before,
            name=before.name if name is None else _name(name),
            url=before.url if url is None else _url(url),
            active=before.active if active is None else active,
            trouble="" if active else before.trouble,
        )
        return await self.one(who, webhook)

    async def new_secret(self, who: Principal, webhook: str) -> MadeWebhook:
        """Give one another secret; calls are signed with it from now on."""
        before, secret = await self.one(who, webhook), new_secret()
        await self._write(who, before, sealed_secret=self._seal.seal(webhook, secret))
        return MadeWebhook(webhook=await self.one(who, webhook), secret=secret)

    async def _write(self, who: Principal, before: Webhook, **values: object) -> None:
        if not await self._rows.change(who, before.id, before.version, **values):
            raise StaleError

    async def remove(self, who: Principal, webhook: str) -> None:
        """Forget one with its calls."""
        require_administrator(who)
        if not await self._rows.remove(who, webhook):
            raise not_found("webhook")

    async def calls(
        self, who: Principal, webhook: str, state: CallState | None, cursor: str | None, limit: int
    ) -> PageOf[WebhookCall]:
        """Return a page of its calls, the newest first; they are kept for 30 days."""
        await self.one(who, webhook)
        return await self._rows.calls(who, webhook, state, cursor, limit)

    async def call_again(self, who: Principal, webhook: str, call: str) -> None:
        """Make a call once more."""
        await self.one(who, webhook)
        if not await self._rows.call_again(who, webhook, call, self._clock.now()):
            raise not_found("call")


def new_secret() -> str:
    """Return a secret as the standard writes it: 32 random octets."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def _name(name: str) -> str:
    name = one_line(name, 100).strip()
    if not name:
        raise invalid("name", "empty", "A webhook needs a name.")
    return name


def _url(url: str) -> str:
    url = url.strip()
    if problem := url_problem(url):
        raise invalid("url", "bad_url", problem[0].upper() + problem[1:] + ".")
    return url
