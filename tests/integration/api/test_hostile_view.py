"""Hostile mail looked at in a real browser: nothing of it runs, and nothing is fetched.

The application and its workers are the real ones; rows and bytes come from a desk of paper. A
seeded sample in `make test`; all spam and ham in `make soak NAME=view`.
"""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, cast

import httpx
import pytest
import uvicorn
from playwright.async_api import BrowserContext, Page

from postroom_api.domain.values import MessageRow, Principal
from postroom_api.http.application import Desks, Shared, build
from postroom_api.http.pace import Buckets
from postroom_api.http.problems import not_found
from postroom_api.http.reading import LIMITS, Reading
from postroom_api.http.render import Pages
from postroom_api.postgres.log import MessageDetail
from postroom_contract.events import MailSorted
from postroom_contract.mail import MailSummary, Pointer
from postroom_contract.rules import Decision
from postroom_mail.read import framed
from postroom_mail.viewing import view
from postroom_runtime.clock import Clock
from postroom_runtime.workers import Limits
from support import browser, corpora, hostile_html
from support.chance import SEED, say_seed

SAMPLE = 200
AT_ONCE = 3
NOW = datetime(2026, 11, 30, tzinfo=UTC)
WHO = Principal(account="acc", id="usr", email="a@b.example", name="Ada", role="administrator")


def detail(name: str, raw: bytes) -> MessageDetail:
    row = MessageRow(
        id=name, mailbox="mbx", received_at=NOW, recipient="b@b.example", envelope_sender="",
        from_name="", from_address="", subject="<script>console.log('hostile')</script>",
        size=len(raw), importance="normal", spam_rating=None, spam=None, tags=[], read=False,
        deleted_at=None, forum=None, topic=None, post=None,
    )  # fmt: skip
    summary = MailSummary(
        message_id=None, subject="", sender=None, to=(), date=None, preview="", attachments=(),
        robot_signs=(), defects=(),
    )  # fmt: skip
    event = MailSorted(
        id="evt", time=NOW, account="acc", scope="mbx", about=name, source="rules",
        correlation=name, causation=name, mailbox="mbx", role="mail", forum=None, token=None,
        recipient="b@b.example", envelope_sender="", received_at=NOW, client="", helo="",
        size=len(raw), raw=Pointer("INTAKE_0", 1), summary=summary,
        decision=Decision(
            ruleset_version=1, importance="normal", spam_rating=None, actions=(), trace=()
        ),
    )  # fmt: skip
    return MessageDetail(row, event, Pointer("INTAKE_0", 1), managed=True)


class Paper:
    """A desk with mails in a dictionary."""

    def __init__(self) -> None:
        self.mails: dict[str, bytes] = {}

    async def message(self, _who: Principal, message: str) -> MessageDetail:
        if message not in self.mails:
            raise not_found("message")
        return detail(message, self.mails[message])

    async def raw_of(self, _who: Principal, found: MessageDetail) -> bytes:
        return self.mails[found.row.id]


class Doorman:
    async def by_session(self, _secret: str, _now: datetime) -> Principal:
        return WHO


@dataclass
class House:
    """The running application, and what it shows."""

    url: str
    paper: Paper


@asynccontextmanager
async def house(limits: Limits = LIMITS) -> AsyncIterator[House]:
    paper = Paper()
    reading = Reading(cast("Any", paper), limits)
    desks = Desks(**{one.name: None for one in fields(Desks)} | {"reading": reading})  # type: ignore[arg-type]
    shared = Shared(
        cast("Any", Doorman()), Clock(), Pages(Clock(), None, "1"), Buckets(1_000_000),
        cast("Any", None), cast("Any", None),
    )  # fmt: skip
    application = build(desks, shared, "1")
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(application, log_level="error", access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield House(f"http://127.0.0.1:{listening.getsockname()[1]}", paper)
    finally:
        server.should_exit = True
        await task
        await reading.stop()
        listening.close()


@dataclass
class Seen:
    """What happened while mails were looked at."""

    wrong: list[str] = field(default_factory=list)
    frames: int = 0


def watch(page: Page, home: str, seen: Seen) -> dict[str, str]:
    """Note whatever should not happen, with the mail that it happened at (`at["now"]`)."""
    at = {"now": ""}

    def wrong(what: str) -> None:
        seen.wrong.append(f"{at['now']}: {what}")

    def on_request(request: Any) -> None:
        if not request.url.startswith((home, "data:")):
            wrong(f"asked for {request.url[:120]}")

    def on_console(message: Any) -> None:
        # The browser itself tells of what a policy or a sandbox held back: there is nothing to hold.
        if "net::ERR" not in message.text:
            wrong(f"console: {message.text[:200]}")

    page.on("request", on_request)
    page.on("console", on_console)
    page.on("pageerror", lambda error: wrong(f"script: {error}"))
    page.on("dialog", lambda _: wrong("a dialog"))
    page.on("download", lambda _: wrong("a download"))
    page.on("popup", lambda _: wrong("a window"))
    return at


async def look_at_all(
    context: BrowserContext, at: House, seen: Seen, *, texts: bool = False
) -> None:
    """Look at each mail as its readers do, some at once."""
    names = iter(sorted(at.paper.mails))

    async def reader() -> None:
        page = await context.new_page()
        now = watch(page, at.url, seen)
        for name in names:
            now["now"] = name
            shown = await page.goto(f"{at.url}/messages/{name}/html")
            assert shown is not None
            assert shown.status == 200, name
            if await page.locator("iframe").count():
                seen.frames += 1
                frame = page.frames[-1]
                await frame.wait_for_load_state("load")
                assert await frame.locator("script, form, iframe, svg, [id], [class]").count() == 0
            if texts:
                await page.goto(f"{at.url}/messages/{name}/text")

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(reader())


async def look_without_walls(context: BrowserContext, at: House, seen: Seen) -> None:
    """The cleaned HTML in a page without sandbox or policy: cleaning alone has to do."""
    page = await context.new_page()
    now = watch(page, at.url, seen)
    await page.goto("about:blank")
    for name, raw in sorted(at.paper.mails.items()):
        now["now"] = f"{name} without walls"
        cleaned = (await asyncio.to_thread(view, framed(raw, ""))).html
        await page.evaluate("html => { document.documentElement.innerHTML = html }", cleaned)
        await page.set_content(cleaned)


@asynccontextmanager
async def signed_in(at: House) -> AsyncIterator[BrowserContext]:
    async with browser.chromium() as chrome:
        context = await chrome.new_context()
        context.set_default_timeout(20_000)
        await context.add_cookies([{"name": "postroom_session", "value": "x", "url": at.url}])
        yield context


@browser.NEEDED
@pytest.mark.timeout(240)
async def test_generated_html_runs_nothing_and_fetches_nothing() -> None:
    chance = random.Random(SEED)
    say_seed()
    async with house() as at:
        soak = corpora.soaking("view")
        drawn = [hostile_html.markup(chance) for _ in range(30 if soak else 6)]
        for number, html in enumerate([*hostile_html.all_threats(), *drawn]):
            at.paper.mails[f"msg_{number:04}"] = hostile_html.mail(html)
        async with signed_in(at) as context:
            seen = Seen()
            await look_without_walls(context, at, seen)
            if not soak:  # some of them behind all walls too: real mail has its own test
                kept = chance.sample(sorted(at.paper.mails), 25)
                at.paper.mails = {name: at.paper.mails[name] for name in kept}
            await look_at_all(context, at, seen, texts=soak)
    assert seen.frames > 15
    assert not seen.wrong, "\n".join(seen.wrong[:30])


@browser.NEEDED
async def test_the_watch_sees_what_runs_and_what_is_fetched() -> None:
    """The same HTML without cleaning: the watch would tell."""
    async with house() as at, signed_in(at) as context:
        seen = Seen()
        page = await context.new_page()
        now = watch(page, at.url, seen)
        await page.goto(f"{at.url}/docs/problems/taken")
        for number, html in enumerate(hostile_html.all_threats()[:6]):
            now["now"] = str(number)
            async with page.context.expect_event("request", timeout=10_000):
                await page.goto(f"data:text/html,{html}<img src=https://x.hostile.example/>")
    assert any("console: hostile" in one for one in seen.wrong)
    assert any("asked for https://x.hostile" in one for one in seen.wrong)


@browser.NEEDED
@corpora.needs_corpora
@pytest.mark.timeout(7200)
async def test_real_spam_runs_nothing_and_fetches_nothing() -> None:
    say_seed()
    paths = corpora.sample(corpora.spam_and_ham(), SAMPLE, SEED, "view")
    async with house() as at:
        for path in paths:
            at.paper.mails[f"msg_{path.parent.name}_{path.stem}".replace(".", "-")] = (
                path.read_bytes()
            )
        async with signed_in(at) as context:
            seen = Seen()
            await look_at_all(context, at, seen)
            if corpora.soaking("view"):
                await look_without_walls(context, at, seen)
    print(f"{len(paths)} mails, {seen.frames} of them with HTML")
    assert seen.frames > len(paths) // 20
    assert not seen.wrong, "\n".join(seen.wrong[:30])


HEAD = b"MIME-Version: 1.0\r\nSubject: bomb\r\n"
TYPED = HEAD + b"Content-Type: text/html\r\n"
MIXED = b"Content-Type: multipart/mixed; boundary="
BOMBS: dict[str, Callable[[], bytes]] = {
    "nested": lambda: (
        HEAD + b"".join(MIXED + b"b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(2_000))
    ),
    "many": lambda: HEAD + MIXED + b"b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 100_000,
    "headers": lambda: HEAD + b"X-A: " + b"b" * 20_000_000 + b"\r\n\r\nx",
    "lines": lambda: HEAD + b"X-A: b\r\n" * 500_000 + b"\r\nx",
    "deep": lambda: TYPED + b"\r\n" + b"<div>" * 200_000 + b"<table><tr><td>" * 50_000,
    "quoted": lambda: (
        TYPED + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=3Cb=3Ex=\r\n" * 2_300_000
    ),
    "base64": lambda: (
        TYPED + b"Content-Transfer-Encoding: base64\r\n\r\n" + b"PGI+eDwvYj4K" * 2_100_000
    ),
    "unclosed": lambda: TYPED + b"\r\n" + b"<a href='" * 3_000_000,
    "comments": lambda: TYPED + b"\r\n" + b"<!--" * 5_000_000,
    "formatting": lambda: (
        TYPED + b"\r\n" + b"<table>" * 100_000 + b"<a href='http://x.example/'>" * 30_000
        + b"<b><i><font>" * 30_000
    ),
    "long": lambda: HEAD + b"\r\n" + b"> x https://x.example/ y\r\n" * 900_000,
}  # fmt: skip
"""Mails that cost more than they should."""
SHORT = Limits(wall_seconds=1.5, cpu_seconds=1.5, memory=LIMITS.memory)
FEW = ("deep", "headers", "many", "nested")
"""Those of `make test`; `make soak NAME=view` has all."""


@pytest.mark.parametrize("name", sorted(BOMBS) if corpora.soaking("view") else FEW)
async def test_bombs_are_answered_within_the_limits(name: str) -> None:
    """With what could be read of it, or with a clear word; the mail can always be had as it is."""
    async with house(LIMITS if corpora.soaking("view") else SHORT) as at:
        at.paper.mails["msg_bomb"] = BOMBS[name]()
        at.paper.mails["msg_good"] = b"Subject: good\r\n\r\nstill here\r\n"
        cookies = {"postroom_session": "x"}
        async with httpx.AsyncClient(base_url=at.url, cookies=cookies, timeout=30) as client:
            for tab in ("html", "source"):
                answer = await client.get(f"/messages/msg_bomb/{tab}")
                assert answer.status_code == 200, (tab, answer.text[:300])
                assert len(answer.content) < 3_000_000, tab
            frame = await client.get("/messages/msg_bomb/html/frame")
            assert frame.status_code in {200, 404, 422}, frame.text[:300]
            if frame.status_code == 422:
                assert "cannot be shown" in frame.text
            file = await client.get("/messages/msg_bomb/attachments/1")
            assert file.status_code in {200, 404, 422}
            good = await client.get("/messages/msg_good/text")
            assert "still here" in good.text
