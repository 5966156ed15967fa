"""The text of a domain's MTA-STS policy over HTTPS (RFC 8461 §3.3), by httpx.

Laws:
1. Only public addresses are connected to, and what the operator allows besides (`mx_relay`).
2. The certificate is verified for mta-sts.<domain>; no redirect is followed, no proxy asked.
"""

import asyncio
import ssl
from typing import Final

import httpx

from postroom_runtime.reach import Internal, forbidden
from postroom_smtp.ports import DnsTroubleError, Names, NoSuchNameError, PolicyTroubleError

SECONDS: Final = 10.0
MOST_OCTETS: Final = 64 * 1024


class HttpxPolicies:
    """Asks web servers."""

    def __init__(
        self,
        names: Names,
        internal: Internal,
        *,
        port: int = 443,
        context: ssl.SSLContext | None = None,
        seconds: float = SECONDS,
    ) -> None:
        self._names = names
        self._internal = internal
        self._port = port
        self._context = context
        self._seconds = seconds

    async def fetch(self, domain: str) -> str:
        """Return the text of a policy; PolicyTroubleError: it cannot be had."""
        name = f"mta-sts.{domain}"
        try:
            async with asyncio.timeout(self._seconds):
                return await self._get(name, await self._address(name))
        except NoSuchNameError:
            raise PolicyTroubleError(f"there is no {name}") from None
        except DnsTroubleError as error:
            raise PolicyTroubleError(f"the DNS does not say where {name} is: {error}") from None
        except (httpx.HTTPError, ssl.SSLError, OSError) as error:
            raise PolicyTroubleError(f"{name}: {str(error) or 'no answer in time'}") from None

    async def _address(self, name: str) -> str:
        try:
            found = await self._names.addresses(name, 4)
        except NoSuchNameError:
            found = ()
        found = found or await self._names.addresses(name, 6)
        if not found:
            raise PolicyTroubleError(f"{name} has no address")
        if forbidden(name, found, self._internal):
            raise PolicyTroubleError(f"{name} has an internal address: no connection was made")
        return found[0]

    async def _get(self, name: str, address: str) -> str:
        where = f"[{address}]" if ":" in address else address
        context = self._context or ssl.create_default_context()
        async with (
            httpx.AsyncClient(verify=context, trust_env=False, timeout=self._seconds) as client,
            client.stream(
                "GET",
                f"https://{where}:{self._port}/.well-known/mta-sts.txt",
                headers={"Host": name, "Accept-Encoding": "identity"},
                extensions={"sni_hostname": name},
            ) as answer,
        ):
            if answer.status_code != httpx.codes.OK:
                raise PolicyTroubleError(f"{name} answers {answer.status_code}")
            if answer.headers.get("Content-Type", "").partition(";")[0].strip() != "text/plain":
                raise PolicyTroubleError(f"{name} answers with something else than plain text")
            text = b""
            async for piece in answer.aiter_raw():
                text += piece
                if len(text) > MOST_OCTETS:
                    raise PolicyTroubleError(f"the policy of {name} is too long")
            return text.decode("utf-8", "replace")
