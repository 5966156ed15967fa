"""One system that tests use together: each has an account, a domain and people of its own.

Laws: a test looks only at what is of its account, its domain and its people, and changes nothing
else; what it leaves behind is nobody's business.
"""

import asyncio
import itertools
import threading
from dataclasses import dataclass
from typing import Self

import httpx

from support.client import Api
from support.sink import Received, Sink
from support.system import System
from support.waiting import eventually

PASSWORD = "tomatoes in may"
NUMBERS = itertools.count(1)


class StandingSink:
    """A sink with a thread and a loop of its own, which outlives the loops of tests."""

    def __init__(self) -> None:
        self.sink = Sink()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.sink.__aenter__(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self.sink.__aexit__(None, None, None), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@dataclass(frozen=True)
class Share:
    """What of a sink concerns one domain; asked as a Sink is."""

    sink: Sink
    domain: str

    @property
    def received(self) -> list[Received]:
        """The mails from or to the domain and those below it."""
        return [
            one
            for one in list(self.sink.received)
            if any(self._is_ours(address) for address in (one.mail_from, *one.rcpt_tos))
        ]

    def to(self, recipient: str) -> list[Received]:
        return self.sink.to(recipient)

    def refuse(self, recipient: str, reply: str = "550 5.1.1 no such user") -> None:
        self.sink.refuse(recipient, reply)

    async def wait_for(self, number: int, deadline: float = 20.0) -> list[Received]:
        await eventually(
            lambda: len(self.received) >= number, deadline, what=f"{number} mails in the sink"
        )
        return self.received

    def _is_ours(self, address: str) -> bool:
        found = address.rpartition("@")[2].lower()
        return found == self.domain or found.endswith(f".{self.domain}")


@dataclass(frozen=True)
class Account:
    """A test's own account: `api` is asked as its administrator."""

    system: System
    api: Api
    sink: Share
    domain: str
    admin: str
    """The administrator's address."""

    def at(self, name: str) -> str:
        """An address of ours."""
        return f"{name}@{self.domain}"

    def person(self, name: str) -> str:
        """The address of somebody elsewhere."""
        return f"{name}@people.{self.domain}"


class Shared:
    """A running system, and the way to an account of one's own in it."""

    def __init__(self, system: System, sink: Sink) -> None:
        self.system = system
        self.sink = sink
        self._cookie = ""

    async def account(self) -> Account:
        """Make one; whoever takes it closes its `api`."""
        domain = f"t{next(NUMBERS)}.example"
        async with httpx.AsyncClient(
            base_url=self.system.base_url, timeout=20, headers=await self._headers()
        ) as boss:
            made = await boss.post("/api/v1/accounts", json={"name": domain})
            assert made.status_code == 201, made.text
            entered = await boss.post(f"/api/v1/accounts/{made.json()['id']}/enter")
            assert entered.status_code == 204, entered.text
            admin, api = await _user(
                self.system, boss, f"admin@users.{domain}", "account_administrator"
            )
        return Account(self.system, api, Share(self.sink, domain), domain, admin)

    async def _headers(self) -> dict[str, str]:
        """The session of the system's administrator; signing in is limited."""
        if not self._cookie:
            form = {"email": self.system.admin_email, "password": self.system.admin_password}
            self._cookie = await _session(self.system, form)
        return {"Cookie": self._cookie}


async def _user(system: System, boss: httpx.AsyncClient, email: str, role: str) -> tuple[str, Api]:
    name = email.partition("@")[0].title()
    body = {"email": email, "name": name, "role": role}
    made = await boss.post("/api/v1/users", json=body)
    assert made.status_code == 201, made.text
    async with httpx.AsyncClient(base_url=system.base_url, timeout=20) as client:
        form = {"name": name, "password": PASSWORD, "again": PASSWORD}
        assert (await client.post(made.json()["link"], data=form)).status_code == 303
    cookie = await _session(system, {"email": email, "password": PASSWORD})
    return email, Api(system, {"Cookie": cookie})


async def _session(system: System, form: dict[str, str]) -> str:
    async with httpx.AsyncClient(base_url=system.base_url, timeout=20) as client:
        answer = await client.post("/sign-in", data=form)
        assert answer.status_code == 303, answer.text
        return f"postroom_session={client.cookies['postroom_session']}"
