"""One mail looked at: its parts under addresses of their own, and its story."""

import asyncio
import base64
from email.message import EmailMessage
from typing import Any

import pytest
from playwright.async_api import expect

from support import browser
from support.client import letter, send
from support.pictures import DESK, take
from support.sharing import Account
from support.waiting import eventually

ANNA = "anna@example.net"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
HTML = """<html><head><style>p { color: red }</style></head><body onload="alert(1)">
<p style="font-weight:bold;background:url(http://tracker.example/x)">Grüße aus dem Garten</p>
<script>fetch('http://evil.example/')</script>
<p>See <a href="https://shop.example/?a=1&amp;b=2">http://bank.example</a> <img src="cid:leaf@x" alt="a leaf">
<img src="https://tracker.example/pixel.gif" alt="offer"></p>
<form action="https://evil.example/"><input name="password"><button>Go</button></form></body></html>"""


def rich(box: str, subject: str = "Leaves and a list") -> EmailMessage:
    mail = letter(ANNA, box, subject, "Hello,\nsee https://shop.example/list.\n> old words\nAnna\n")
    mail.add_alternative(HTML, subtype="html")
    html = mail.get_payload()[1]  # type: ignore[index]
    html.add_related(PIXEL, "image", "png", cid="<leaf@x>", filename="leaf.png")
    mail.add_attachment(b"a;b\n1;2\n", maintype="text", subtype="csv", filename="../../Größe.csv")
    mail.add_attachment("<script>1</script>", subtype="html", filename="CON")
    mail["Received"] = (
        "from a.example (a.example [192.0.2.1]) by b.example with ESMTPS; Mon, 30 Nov 2026 10:00:00 +0000"
    )
    return mail


async def arrive(account: Account) -> dict[str, Any]:
    api, box = account.api, account.at("support")
    await api.post("/mailboxes", name="Support", source={"type": "smtp", "addresses": [box]})
    await api.post(
        "/rules", name="Leaves",
        condition={"kind": "test", "field": "subject", "operator": "contains", "values": ["leaves"]},
        actions=[{"kind": "add_tag", "tag": "green"}],
    )  # fmt: skip
    await asyncio.to_thread(send, account.system, rich(box), ANNA, box)
    (row,) = await api.messages(1)
    return dict(row)


async def test_what_a_mail_holds(account: Account) -> None:
    api = account.api
    row = await arrive(account)
    body = await api.get(f"/messages/{row['id']}/body")
    assert body["text"].startswith("Hello,\nsee https://shop.example/list.\n> old words")
    assert body["text_source"] == "plain"
    assert body["left_out"] == 1
    for gone in ("script", "onload", "tracker", "form", "evil", "cid:"):
        assert gone not in body["html"], gone
    assert 'title="https://shop.example/?a=1&amp;b=2"' in body["html"]
    assert 'src="data:image/png;base64,' in body["html"]
    assert [(one["number"], one["name"], one["inline"]) for one in body["attachments"]] == [
        (1, "leaf.png", True), (2, "Größe.csv", False), (3, "CON", False),
    ]  # fmt: skip
    assert body["hops"][-1]["receiver"] == "b.example"
    assert {"name": "Subject", "value": "Leaves and a list"} in body["headers"]
    for where in ("/api/v1", ""):
        found = [
            await api.client.get(f"{where}/messages/{row['id']}/attachments/{number}")
            for number in (1, 2, 3)
        ]
        assert [one.content for one in found[:2]] == [PIXEL, b"a;b\n1;2\n"]
        assert b"<script>" in found[2].content
        assert [one.headers["content-type"].split(";")[0] for one in found] == [
            "image/png", "application/octet-stream", "application/octet-stream",
        ]  # fmt: skip
        assert found[1].headers["content-disposition"] == (
            "attachment; filename=\"Gr__e.csv\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe.csv"
        )
        assert 'filename="_CON"' in found[2].headers["content-disposition"]
        for one in found:
            assert one.headers["x-content-type-options"] == "nosniff"
            assert one.headers["content-security-policy"].startswith("sandbox")
        for number in ("4", "0", "99999999999999999999"):
            gone = await api.client.get(f"{where}/messages/{row['id']}/attachments/{number}")
            assert gone.status_code in {400, 404, 422}, number


async def test_the_story_of_a_post(account: Account) -> None:
    api, box = account.api, account.at("garden")
    forum = await api.forum("Garden", box, f"ben@{account.domain}", f"cora@{account.domain}")
    mail = letter(ANNA, box, "Tomatoes", "When?")
    await asyncio.to_thread(send, account.system, mail, ANNA, box)
    (row,) = await api.messages(1)
    await api.topics(forum, 1)
    await api.post("/messages/marks", messages=[row["id"]], mark="tag", tag="red")

    async def complete() -> Any:
        told = (await api.get(f"/messages/{row['id']}/story"))["stages"]
        copies = [one for one in told if one["kind"] == "delivery"]
        assert len(copies) == 2, told
        return told

    told = await eventually(complete, what="the copies in the story")
    kinds = [one["kind"] for one in told]
    assert kinds[:2] == ["connection", "envelope"]
    assert kinds.index("rule") < kinds.index("decided") < kinds.index("delivery")
    (posted,) = [one for one in told if one["kind"] == "posted"]
    assert posted["link"].startswith("/topics/")
    (act,) = [one for one in told if one["kind"] == "person"]
    assert (act["state"], act["lines"]) == ("message.tag", ["tag: red"])
    assert {one["title"] for one in told if one["kind"] == "delivery"} == {
        f"ben@{account.domain}", f"cora@{account.domain}",
    }  # fmt: skip


@browser.NEEDED
@pytest.mark.parametrize("scripts", [True, False])
async def test_on_its_pages(account: Account, scripts: bool) -> None:
    row = await arrive(account)
    here = f"/messages/{row['id']}"
    async with browser.chromium() as chrome:
        context = await chrome.new_context(viewport=DESK, java_script_enabled=scripts)
        page = await context.new_page()
        page.set_default_timeout(20_000)
        watch = browser.Watch(page, account.system.base_url)
        await browser.sign_in(page, account.system, here, account)
        tabs = page.get_by_role("navigation", name="Message", exact=True)

        async def turn_to(tab: str) -> None:
            await tabs.get_by_role("link", name=tab).click()
            await expect(tabs.get_by_role("link", name=tab)).to_have_attribute(
                "aria-current", "page"
            )
            if scripts:
                await take(page, f"message-{tab.lower()}")

        await expect(page.get_by_text("Why it was sorted like this")).to_be_visible()
        if scripts:
            await take(page, "message-overview")
        await turn_to("Text")
        await expect(
            page.get_by_role("link", name="https://shop.example/list", exact=True)
        ).to_have_attribute("rel", "noreferrer noopener nofollow")
        await expect(page.locator(".quoted")).to_have_text("> old words\n")
        await turn_to("HTML")
        frame = page.frame_locator("iframe")
        await expect(frame.get_by_text("Grüße aus dem Garten")).to_be_visible()
        await expect(frame.get_by_alt_text("a leaf")).to_be_visible()
        await expect(frame.locator("form, script, input, button")).to_have_count(0)
        await expect(page.get_by_text("One picture is left out")).to_be_visible()
        await turn_to("Headers")
        await expect(page.get_by_text("had it from a.example")).to_be_visible()
        await turn_to("Authentication")
        await turn_to("Attachments")
        await expect(page.locator("td.main a")).to_have_text(["leaf.png", "Größe.csv", "CON"])
        async with page.expect_download() as coming:
            await page.get_by_role("link", name="Größe.csv").click()
        assert (await coming.value).suggested_filename == "Größe.csv"
        await turn_to("Source")
        await expect(page.locator("pre.raw")).to_contain_text("Subject: Leaves and a list")
        await turn_to("Story")
        await expect(page.locator(".story > li").first).to_contain_text("Connection")
        assert watch.elsewhere == []
        assert watch.errors == []
