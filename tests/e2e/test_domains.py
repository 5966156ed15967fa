"""An administrator lets a domain sign: a key, its record, and mail that others can believe."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import dkim
import pytest
from playwright.async_api import Page, expect

from support import browser
from support.client import Api
from support.pictures import DESK, take
from support.sink import Sink
from support.system import System
from support.waiting import eventually

pytestmark = browser.NEEDED


async def record_on(page: Page) -> str:
    card = page.locator("section.finding", has_text="Key for signatures")
    return await card.locator("dt:text-is('Publish') + dd code").inner_text()


@pytest.fixture
async def named(tmp_path: Path, sink: Sink, untouched: System) -> AsyncIterator[System]:
    """`postroom up` with a relay and a name."""
    made = System(
        tmp_path, {"POSTROOM_RELAY": sink.relay, "POSTROOM_SMTP_HOSTNAME": "mx.garden.example"}
    )
    made.begin_as(untouched)
    made.start()
    try:
        await made.wait_ready()
        yield made
    finally:
        made.stop()


async def test_a_domain_signs_once_its_key_is_published(named: System, sink: Sink) -> None:
    system = named
    assert system.names is not None
    async with Api(system) as api, browser.chromium() as chrome:
        forum = await api.forum("Garden", "garden@garden.example", "ben@example.com")
        page = await (await chrome.new_context(viewport=DESK)).new_page()
        page.set_default_timeout(20_000)
        await page.goto(f"{system.base_url}/sign-in")
        await page.get_by_label("E-mail address").fill(system.admin_email)
        await page.get_by_label("Password").fill(system.admin_password)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("link", name="Domains")).to_be_visible()
        await page.goto(f"{system.base_url}/domains")
        await page.get_by_role("link", name="garden.example", exact=True).click()
        await expect(page.get_by_text("No key yet")).to_be_visible()
        await expect(page.locator("section.finding .tag.bad").first).to_be_visible()
        await page.get_by_role("button", name="Make a key").click()
        await expect(page.get_by_text("publish it first")).to_be_visible()
        record = await record_on(page)
        (key,) = (await api.get("/domains/garden.example"))["keys"]
        assert (key["state"], key["record"]) == ("new", record)
        # What is not published does not sign yet.
        await api.post(f"/forums/{forum}/topics", subject="One", text="hello")
        await eventually(lambda: len(sink.received) == 1, what="the first copy")
        assert b"DKIM-Signature" not in sink.received[0].raw
        chunks = " ".join(f'"{record[at : at + 200]}"' for at in range(0, len(record), 200))
        system.names.publish(
            f"{key['name']}. 1 TXT {chunks}",
            "garden.example. 1 MX 10 mx.garden.example.",
            'garden.example. 1 TXT "v=spf1 mx ~all"',
            "mx.garden.example. 1 A 203.0.113.7",
            "7.113.0.203.in-addr.arpa. 1 PTR mx.garden.example.",
            '_dmarc.garden.example. 1 TXT "v=DMARC1; p=quarantine"',
        )

        async def published() -> bool:  # what was missing is remembered for a moment
            found = (await api.get("/domains/garden.example/check"))["findings"]
            # Its address is nobody's: no connection is made there.
            elsewhere = {one["standing"] for one in found if one["aspect"] in {"port", "tls"}}
            here = {one["standing"] for one in found if one["aspect"] not in {"port", "tls"}}
            return (here, elsewhere) == ({"good"}, {"unknown"})

        await eventually(published, 30, what="all is published")
        said = system.command("doctor", "garden.example", log="doctor.log")
        assert await asyncio.to_thread(said.wait) == 1, "not all is known"
        assert "ok   spf (TXT garden.example): v=spf1 mx ~all" in said.log
        assert "BAD  port (TCP 25 mx.garden.example)" in said.log
        assert "no connection was made" in said.log
        await page.get_by_role("button", name="Let it sign").click()
        await expect(page.get_by_text("signs", exact=True)).to_be_visible()
        await take(page, "domain")
        await page.goto(f"{system.base_url}/domains")
        await take(page, "domains")
        await api.post(f"/forums/{forum}/topics", subject="Two", text="hello again")
        await eventually(lambda: len(sink.received) == 2, what="the second copy")
        raw = sink.received[1].raw
        assert dkim.verify(raw, dnsfunc=lambda *_, **__: record.encode())
        removed = await api.client.delete(f"/api/v1/domains/garden.example/keys/{key['selector']}")
        assert removed.status_code == 409
        changed = await api.client.patch(
            f"/api/v1/domains/garden.example/keys/{key['selector']}", json={"state": "retired"}
        )
        assert changed.json()["keys"][0]["state"] == "retired"

        async def unsigned() -> bool:
            count = len(sink.received)
            await api.post(f"/forums/{forum}/topics", subject="Three", text="bye")
            await eventually(lambda: len(sink.received) > count, what="another copy")
            return b"DKIM-Signature" not in sink.received[-1].raw

        await eventually(unsigned, 30, what="a retired key signs no more")
