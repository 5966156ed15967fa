"""What a person or program does with a running system: write mail, ask the API."""

import email.policy
import smtplib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from typing import Any, Self

import httpx

from support.system import System
from support.waiting import eventually

LIVE_SECONDS = 30.0


def letter(
    sender: str,
    to: str,
    subject: str,
    text: str = "Hello\n",
    *,
    message_id: str | None = None,
    in_reply_to: str | None = None,
    references: str | None = None,
    **headers: str,
) -> EmailMessage:
    """A mail as a mail program writes it."""
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = to
    mail["Subject"] = subject
    mail["Date"] = "Mon, 23 Nov 2026 12:00:00 +0000"
    if message_id:
        mail["Message-ID"] = f"<{message_id}>"
    if in_reply_to:
        mail["In-Reply-To"] = f"<{in_reply_to}>"
    if references:
        mail["References"] = references
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(text)
    return mail


def wire(mail: EmailMessage) -> bytes:
    """The mail as a mail program puts it on the wire: lines end with CRLF."""
    return mail.as_bytes(policy=email.policy.SMTP)


def send(system: System, mail: EmailMessage | bytes, sender: str, *to: str) -> None:
    """Send by SMTP with the standard library's client; smtplib's errors are the server's replies."""
    raw = mail if isinstance(mail, bytes) else wire(mail)
    with smtplib.SMTP("127.0.0.1", system.smtp_port, timeout=20) as client:
        client.sendmail(sender, list(to), raw)


class Api:
    """The HTTP API with the bootstrap token, or with what the headers say."""

    def __init__(self, system: System, headers: dict[str, str] | None = None) -> None:
        if headers is None:
            headers = {"Authorization": f"Bearer {system.admin_token}"}
        self.client = httpx.AsyncClient(base_url=system.base_url, headers=headers, timeout=20)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()

    async def get(self, path: str) -> Any:
        """The answer's JSON; fails on anything but 200."""
        answer = await self.client.get(f"/api/v1{path}")
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.json()

    async def all(self, path: str) -> list[Any]:
        """Every row of a list, page by page."""
        rows: list[Any] = []
        query = "?limit=200"
        while True:
            page = await self.get(f"{path}{query}")
            rows += page["data"]
            if not page["next_cursor"]:
                return rows
            query = f"?limit=200&cursor={page['next_cursor']}"

    async def post(self, path: str, **body: Any) -> Any:
        """The answer's JSON; fails on anything but 2xx."""
        answer = await self.client.post(f"/api/v1{path}", json=body)
        assert answer.is_success, (path, answer.status_code, answer.text)
        return answer.json()

    @asynccontextmanager
    async def lines(self, path: str) -> AsyncIterator[AsyncIterator[str]]:
        """The lines of a feed (server-sent events), once it has begun."""
        async with self.client.stream("GET", f"/api/v1{path}") as answer:
            assert answer.status_code == 200, (path, answer.status_code)
            yield answer.aiter_lines()

    async def forum(self, name: str, address: str, *members: str) -> str:
        """Make a forum with members; its id."""
        made = await self.post("/forums", name=name, address=address)
        for member in members:
            await self.post(f"/forums/{made['id']}/members", email=member, name=member[:3].title())
        return str(made["id"])

    async def topics(self, forum: str, count: int, deadline: float = LIVE_SECONDS) -> list[Any]:
        """The forum's topics, as soon as there are `count` of them."""

        async def ask() -> Any:
            found = (await self.get(f"/forums/{forum}/topics?limit=200"))["data"]
            assert len(found) == count, [topic["title"] for topic in found]
            return found

        return await eventually(ask, deadline, what=f"{count} topics")

    async def posts(self, topic: str, count: int, deadline: float = LIVE_SECONDS) -> list[Any]:
        """The topic's posts, as soon as there are `count` of them."""

        async def ask() -> Any:
            found = (await self.get(f"/topics/{topic}/posts?limit=200"))["data"]
            assert len(found) == count, [post["subject"] for post in found]
            return found

        return await eventually(ask, deadline, what=f"{count} posts")

    async def messages(self, count: int, deadline: float = LIVE_SECONDS) -> list[Any]:
        """The message log, as soon as it has `count` mails."""

        async def ask() -> Any:
            found = (await self.get("/messages?limit=200"))["data"]
            assert len(found) == count, [row["subject"] for row in found]
            return found

        return await eventually(ask, deadline, what=f"{count} messages")
