"""Calling webhooks (Standard Webhooks 1.0), by httpx.

Laws:
1. Only public addresses are connected to, and what the operator allows besides; to the very address
   that was looked at, looked up anew for each call (SSRF). No redirect is followed, no proxy asked.
2. A call is tried until its program says 2xx, for a day; then it is listed as dead. What a program
   answers is kept only as far as a person needs it to find the fault.
"""

import asyncio
import ssl
from typing import Final
from urllib.parse import urlsplit

import httpx
import structlog

from postroom_api.domain.webhooks import next_attempt, signature
from postroom_api.postgres.worker_effects import DueCall, EffectRows
from postroom_api.sealing import OwnSeal
from postroom_mail.text import one_line
from postroom_runtime.clock import Clock
from postroom_runtime.errors import UnavailableError
from postroom_runtime.reach import Internal, forbidden

LOOK_SECONDS: Final = 2.0
AT_ONCE: Final = 16
SECONDS: Final = 15.0
MOST_OCTETS: Final = 4_096
MAX_REPLY: Final = 300
FORGET_DAYS: Final = 30 * 86_400.0
FORGET_EVERY: Final = 3_600.0


class _CallError(Exception):
    """The call failed; the text is for the person who looks."""


class WebhookCaller:
    """Looks every two seconds for calls that are due."""

    def __init__(
        self, rows: EffectRows, seal: OwnSeal, internal: Internal, clock: Clock, version: str
    ) -> None:
        self._rows = rows
        self._seal = seal
        self._internal = internal
        self._clock = clock
        self._agent = f"Postroom/{version}"
        self._tls = ssl.create_default_context()
        self._log = structlog.get_logger()

    async def run(self) -> None:
        """Call for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._call())
            group.create_task(self._forget())

    async def _call(self) -> None:
        while True:
            try:
                due = await self._rows.due_calls(self._clock.now(), AT_ONCE)
                async with asyncio.TaskGroup() as group:
                    for call in due:
                        group.create_task(self.attempt(call))
                if len(due) == AT_ONCE:
                    continue
            except* UnavailableError as error:
                self._log.warning("webhooks wait", reason=str(error.exceptions[0]))
            await self._clock.pause(LOOK_SECONDS)

    async def _forget(self) -> None:
        while True:
            await self._clock.pause(FORGET_EVERY)
            try:
                await self._rows.forget(self._clock.before(FORGET_DAYS))
            except UnavailableError as error:
                self._log.warning("old calls are kept for now", reason=str(error))

    async def attempt(self, call: DueCall) -> None:
        """Call once, and note how it went."""
        gone = False
        try:
            async with asyncio.timeout(SECONDS):
                status, said = await self._post(call, self._secret(call))
            delivered = 200 <= status < 300  # noqa: PLR2004 - success, RFC 9110 §15.3
            gone = status == httpx.codes.GONE
            reply = f"{status} {said}".strip()
        except TimeoutError:
            delivered, reply = False, f"no answer within {SECONDS:g} s"
        except (
            _CallError, httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError, ValueError,
        ) as error:  # fmt: skip
            delivered, reply = False, one_line(str(error) or type(error).__name__)
        again = None if gone else next_attempt(call.attempts + 1, self._clock.now())
        await self._rows.called(call, reply[:MAX_REPLY], again, delivered=delivered)
        if gone:
            await self._rows.switch_off(call.webhook, "it answered 410: it is gone")

    def _secret(self, call: DueCall) -> str:
        secret = self._seal.open(call.webhook, call.sealed_secret)
        if secret is None:
            raise _CallError("its secret cannot be opened: make a new one")
        return secret

    async def _post(self, call: DueCall, secret: str) -> tuple[int, str]:
        parts = urlsplit(call.url)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        address = await self._address(host, port)
        where = f"[{address}]" if ":" in address else address
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        body = call.body.encode()
        timestamp = int(self._clock.now().timestamp())
        headers = {
            "Host": parts.netloc,
            "Content-Type": "application/json",
            "User-Agent": self._agent,
            "Accept-Encoding": "identity",
            "webhook-id": call.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(secret, call.id, timestamp, body),
        }
        async with (
            httpx.AsyncClient(verify=self._tls, trust_env=False, timeout=SECONDS) as client,
            client.stream(
                "POST",
                f"{parts.scheme}://{where}:{port}{path}",
                content=body,
                headers=headers,
                extensions={"sni_hostname": host},
            ) as answer,
        ):
            said = b""
            async for piece in answer.aiter_raw():
                said += piece
                if len(said) > MOST_OCTETS:
                    break
            return answer.status_code, one_line(said.decode("utf-8", "replace"))

    async def _address(self, host: str, port: int) -> str:
        """Return an address of a host that may be called."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=1)
        except (OSError, UnicodeError):
            raise _CallError(f"there is no host {host}") from None
        addresses = [str(one[4][0]) for one in found]
        if not addresses or forbidden(host, addresses, self._internal):
            raise _CallError(f"{host} has an internal address: no connection was made")
        return addresses[0]
