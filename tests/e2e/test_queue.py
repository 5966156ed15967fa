"""What does not get through: seen where it waits, held back, let go, dropped; and the door."""

import asyncio
import smtplib
from typing import Any

from playwright.async_api import Page, expect

from support import browser
from support.client import Api, letter
from support.pictures import DESK, take
from support.sharing import Account
from support.sink import Sink
from support.system import System
from support.waiting import eventually

GARDEN = "garden@example.org"
FULL = "452 4.2.2 mailbox full"
pytestmark = browser.NEEDED


async def signed_in(chrome: Any, system: System, where: str, who: Account | None = None) -> Page:
    page: Page = await (await chrome.new_context(viewport=DESK)).new_page()
    page.set_default_timeout(20_000)
    await browser.sign_in(page, system, where, who)
    return page


async def waits(api: Api, domain: str, number: int) -> dict[str, Any]:
    async def seen() -> Any:
        for one in (await api.get("/queue"))["data"]:
            if one["domain"] == domain and one["waiting"] == number:
                return one
        return None

    found: dict[str, Any] = await eventually(seen, 20, what=f"{number} wait for {domain}")
    return found


async def states(api: Api, recipient: str) -> list[tuple[str, str]]:
    rows = (await api.get("/deliveries"))["data"]
    return [(one["state"], one["reply"]) for one in rows if one["recipient"] == recipient]


async def test_what_waits_is_tried_dropped_held_and_let_go(account: Account) -> None:
    api, sink, running = account.api, account.sink, account.system
    full, slow = f"full.{account.domain}", f"slow.{account.domain}"
    ben, eva = f"ben@{full}", f"eva@{slow}"
    garden = await api.forum("Garden", account.at("garden"), ben, eva)
    for one in (ben, eva):
        sink.refuse(one, FULL)
    await api.post(f"/forums/{garden}/topics", subject="Tomatoes", text="hello")
    found = await waits(api, full, 1)
    assert (found["reply"], found["attempts"], found["held"]) == (FULL, 1, False)
    await waits(api, slow, 1)
    (row,) = (await api.get(f"/queue/{full}/deliveries"))["data"]
    assert (row["recipient"], row["state"]) == (ben, "deferred")
    async with browser.chromium() as chrome:
        page = await signed_in(chrome, running, "/outbox", account)
        await page.get_by_role("link", name="Queue").click()
        await expect(page.get_by_role("row", name=slow)).to_contain_text(FULL)
        await take(page, "queue")
        # Ben has made room.
        await page.get_by_role("link", name=full).click()
        await expect(page.get_by_role("button", name="Try all now")).to_be_visible()
        await take(page, "destination")
        sink.sink.accept(ben)
        await page.get_by_role("button", name="Try all now").click()
        await expect(page.get_by_role("status")).to_contain_text("1 chunk of copies")
        await eventually(lambda: len(sink.to(ben)) == 1, 20, what="Ben's copy")
        # Eva's is dropped.
        await page.goto(f"{running.base_url}/queue/{slow}")
        await page.get_by_text("Drop all…").click()
        await page.get_by_role("button", name="Drop 1 copy").click()

        async def dropped() -> bool:
            return [one[0] for one in await states(api, eva)] == ["failed"]

        await eventually(dropped, 20, what="Eva's copy is given up")
        assert (await states(api, eva))[0][1].startswith("dropped by ")
        # Ben's domain is held back: the next post waits, untried.
        await page.goto(f"{running.base_url}/queue")
        await expect(page.get_by_text("Nothing waits")).to_be_visible()
        await page.get_by_label("Domain").fill("no domain")
        await page.get_by_role("button", name="Hold back").click()
        await expect(page.get_by_role("alert")).to_contain_text("is no domain")
        await page.get_by_label("Domain").fill(full.title())
        await page.get_by_role("button", name="Hold back").click()
        await expect(page.get_by_text("held back")).to_be_visible()
        sink.sink.accept(eva)
        await api.post(f"/forums/{garden}/topics", subject="Beans", text="hello")
        found = await waits(api, full, 1)
        assert (found["held"], found["attempts"], found["next_attempt_at"]) == (True, 0, None)
        await eventually(lambda: len(sink.to(eva)) == 1, 20, what="the others go on")
        assert len(sink.to(ben)) == 1
        await page.reload()
        await take(page, "destination-held")
        await page.get_by_role("button", name="Release").click()
        await eventually(lambda: len(sink.to(ben)) == 2, 20, what="what was held is let go")
    audit = [one["action"] for one in (await api.get("/audit"))["data"]]
    for action in ("queue.retried", "queue.dropped", "queue.held", "queue.released"):
        assert action in audit


def rcpt(system: System, recipient: str) -> tuple[int, bytes]:
    with smtplib.SMTP("127.0.0.1", system.smtp_port, timeout=10) as client:
        client.ehlo("peer.example")
        client.mail("anna@example.net")
        return client.rcpt(recipient)


async def test_the_door_is_watched_closed_and_opened(running: System, api: Api, sink: Sink) -> None:
    await api.forum("Garden", GARDEN, "ben@example.com")
    code, _ = await asyncio.to_thread(rcpt, running, "nobody@example.org")
    assert code == 550
    written = letter("Anna <anna@example.net>", GARDEN, "Hello", "hi", message_id="1@example.net")
    async with browser.chromium() as chrome:
        page = await signed_in(chrome, running, "/smtp")
        with smtplib.SMTP("127.0.0.1", running.smtp_port, timeout=10) as client:
            client.ehlo("peer.example")

            async def shown() -> bool:
                return bool((await api.get("/smtp"))["peers"])

            await eventually(shown, 20, what="the peer is shown")
            await page.goto(f"{running.base_url}/smtp")
            await expect(page.get_by_role("cell", name="peer.example")).to_be_visible()
            await expect(page.get_by_role("row", name="unknown address")).to_contain_text("1")
            await take(page, "smtp")
            await page.get_by_role("button", name="Close").click()
            await expect(page.get_by_text("takes no mail")).to_be_visible()
            await take(page, "smtp-closed")

            async def closed() -> bool:
                try:
                    with smtplib.SMTP("127.0.0.1", running.smtp_port, timeout=10):
                        return False
                except smtplib.SMTPConnectError as error:
                    return error.smtp_code == 421

            await eventually(closed, 10, what="new sessions are turned away")
            await asyncio.to_thread(client.send_message, written, "anna@example.net", [GARDEN])
        await page.get_by_role("button", name="Open").click()
        await expect(page.get_by_text("takes mail")).to_be_visible()

        async def opened() -> bool:
            try:
                with smtplib.SMTP("127.0.0.1", running.smtp_port, timeout=10):
                    return True
            except smtplib.SMTPConnectError:
                return False

        await eventually(opened, 10, what="sessions are taken again")

        async def refused() -> Any:
            return (await api.get("/refusals"))["data"]

        (row,) = await eventually(refused, 20, what="the refusal is written down")
        assert (row["recipient"], row["reason"], row["count"], row["network"]) == (
            "nobody@example.org", "unknown address", 1, "127.0.0.1",
        )  # fmt: skip
        await page.goto(f"{running.base_url}/refusals")
        await expect(page.get_by_role("cell", name="nobody@example.org")).to_be_visible()
        await take(page, "refusals")
    await eventually(lambda: len(sink.received) == 1, 20, what="the mail of before went on")
