"""A walk through the pages in a real browser."""

import asyncio

import pytest
from playwright.async_api import Page, Route, expect

from support import browser
from support.client import Api, letter, send
from support.pictures import DESK, take
from support.sink import Sink
from support.system import System

GARDEN = "garden@example.org"
ANNA, BEN = "anna@example.net", "ben@example.com"


@browser.NEEDED
@pytest.mark.timeout(240)
async def test_a_walk_from_signing_in_to_a_discussion(
    running: System, api: Api, sink: Sink
) -> None:
    async with browser.chromium() as chrome:
        page = await chrome.new_page(viewport=DESK)
        page.set_default_timeout(20_000)
        watch = browser.Watch(page, running.base_url)
        await page.goto(running.base_url)
        await take(page, "sign-in")
        await page.get_by_label("E-mail address").fill(running.admin_email)
        await page.get_by_label("Password").fill(running.admin_password)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("heading", name="Welcome to Postroom")).to_be_visible()
        await page.get_by_role("button", name="Skip the first steps").click()
        await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        await take(page, "overview-first")
        await page.get_by_role("link", name="Open a forum").click()
        await expect(page.get_by_role("heading", name="Forums")).to_be_visible()
        await take(page, "forums-empty")

        await page.get_by_label("Name", exact=True).fill("Garden club")
        await page.get_by_label("E-mail address").fill(GARDEN)
        await page.get_by_role("button", name="Make forum").click()
        await expect(page.get_by_role("heading", name="Garden club")).to_be_visible()
        await page.get_by_role("link", name="Members").click()
        for member, name in ((ANNA, "Anna Berg"), (BEN, "Ben Cole")):
            await page.get_by_label("E-mail address").fill(member)
            await page.get_by_label("Name", exact=True).fill(name)
            await page.get_by_role("button", name="Add member").click()
            await expect(page.get_by_role("cell", name=member)).to_be_visible()
        await take(page, "members")

        mail = letter(
            f"Anna Berg <{ANNA}>", GARDEN, "When do the tomatoes go out?",
            "The forecast says 4 °C for Thursday night.\n\nWould you risk it?\n",
            message_id="tomatoes@example.net",
        )  # fmt: skip
        await asyncio.to_thread(send, running, mail, ANNA, GARDEN)
        forum = page.url.split("/")[-2]
        (topic,) = await api.topics(forum, 1)
        await sink.wait_for(1)
        answer = letter(
            f"Ben Cole <{BEN}>", GARDEN, "Re: When do the tomatoes go out?",
            "Not before the ice saints.\n", message_id="saints@example.com",
            in_reply_to="tomatoes@example.net",
        )  # fmt: skip
        await asyncio.to_thread(send, running, answer, BEN, GARDEN)
        await api.posts(topic["id"], 2)

        await page.goto(f"{running.base_url}/forums/{forum}")
        await page.get_by_role("link", name="When do the tomatoes go out?").click()
        await expect(page.get_by_text("Not before the ice saints.")).to_be_visible()
        await page.get_by_label("Your reply").fill("I bring fleece for everyone.")
        await page.get_by_role("button", name="Post reply").click()
        await expect(page.get_by_text("I bring fleece for everyone.")).to_be_visible()
        await sink.wait_for(4)
        await page.goto(f"{running.base_url}/topics/{topic['id']}")
        await expect_delivered(page, 3)
        await take(page, "topic")

        await page.goto(f"{running.base_url}/forums/{forum}/new")
        await page.get_by_label("Subject").fill("Seed swap on Saturday")
        await page.get_by_label("Text").fill("Ten o'clock, by the shed.\nBring envelopes.")
        await take(page, "new-topic")
        await page.get_by_role("button", name="Post", exact=True).click()
        await expect(page.get_by_role("heading", name="Seed swap on Saturday")).to_be_visible()
        await page.goto(f"{running.base_url}/forums/{forum}")
        await expect(page.get_by_role("link", name="Seed swap on Saturday")).to_be_visible()
        await take(page, "forum")

        await page.get_by_role("link", name="Messages").click()
        await expect(page.get_by_role("heading", name="Messages")).to_be_visible()
        await take(page, "messages")
        await page.get_by_role("link", name="When do the tomatoes go out?", exact=True).click()
        await expect(page.get_by_text("posted to forum")).to_be_visible()
        await take(page, "message")
        await page.goto(f"{running.base_url}/mailboxes/new?type=imap")
        await page.get_by_role("textbox", name="Server").fill("imap.invalid")
        await page.get_by_role("textbox", name="Login").fill("anna")
        await page.get_by_label("Password").fill("secret")
        async with page.expect_popup() as popup:
            await page.get_by_role("button", name="Test connection").click()
        test = await popup.value
        await expect(test.get_by_text("no such server")).to_be_visible()
        await take(test, "connection-test")
        await test.close()
        for name, path, heading in (
            ("overview", "/", "Overview"),
            ("system", "/system", "System"),
            ("rules", "/rules", "Rules"),
            ("rule-new", "/rules/new", "New rule"),
            ("rules-try", "/rules-try", "Try the rules on a mail"),
            ("mailboxes", "/mailboxes", "Mailboxes"),
            ("mailbox-new", "/mailboxes/new?type=imap", "New mailbox"),
        ):
            await page.goto(f"{running.base_url}{path}")
            await expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
            await take(page, name)
        await page.get_by_role("link", name="Outbox").click()
        await expect(page.get_by_role("cell", name=BEN).first).to_be_visible()
        await take(page, "outbox")
        await page.get_by_role("link", name="When do the tomatoes").first.click()
        await expect(page.get_by_text("List-Unsubscribe-Post")).to_be_visible()
        await take(page, "copy")
        await page.get_by_role("link", name="Set aside").click()
        await expect(page.get_by_text("Nothing is set aside")).to_be_visible()
        await take(page, "set-aside")
        await page.goto(f"{running.base_url}/nothing-here")
        await expect(page.get_by_role("heading", name="Not found")).to_be_visible()
        assert watch.errors == [
            "Failed to load resource: the server responded with a status of 404 (Not Found)"
        ]
        watch.errors.clear()

        await page.route("**/schema/openapi.json", only_some_routes)
        await page.goto(f"{running.base_url}/docs")
        heading = page.get_by_role("heading", name="Make a forum with its address")
        await expect(heading).to_be_visible(timeout=60_000)  # a script writes it
        await page.goto(running.base_url)
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        await page.goto(f"{running.base_url}/messages")
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        assert watch.errors == []
        assert watch.elsewhere == []


async def only_some_routes(route: Route) -> None:
    """The description with a part of its routes: all take the script ten seconds here."""
    described = await (await route.fetch()).json()
    kept = {path: one for path, one in described["paths"].items() if path.count("/") == 3}
    assert 10 < len(kept) < len(described["paths"]) / 3
    described["paths"] = kept
    await route.fulfill(json=described)


async def expect_delivered(page: Page, posts: int) -> None:
    """Reload until every post says who got it."""
    for _ in range(100):
        await page.reload()
        ways = await page.get_by_text("on the way").count()
        if not ways and await page.get_by_text("delivered").count() == posts:
            return
    raise AssertionError(f"{posts} posts should be delivered: {await page.inner_text('main')}")


@browser.NEEDED
async def test_a_page_works_without_scripts_and_forms_keep_what_was_typed(
    running: System, api: Api
) -> None:
    await api.forum("Garden", GARDEN)
    async with browser.chromium() as chrome:
        context = await chrome.new_context(java_script_enabled=False)
        page = await context.new_page()
        await page.goto(f"{running.base_url}/sign-in?next=//evil.example/")
        await page.get_by_label("E-mail address").fill(running.admin_email)
        await page.get_by_label("Password").fill("wrong")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_contain_text("do not go together")
        await expect(page.get_by_label("E-mail address")).to_have_value(running.admin_email)
        await page.get_by_label("Password").fill(running.admin_password)
        await page.get_by_role("button", name="Sign in").click()
        assert page.url.startswith(running.base_url), "never to another site"
        german = await chrome.new_page(locale="de-DE")
        await german.goto(f"{running.base_url}/sign-in")
        await expect(german.get_by_role("button", name="Anmelden")).to_be_visible()
        assert await german.locator("html").get_attribute("lang") == "de"
        await page.goto(f"{running.base_url}/forums")
        await page.get_by_label("Name", exact=True).fill("Second")
        await page.get_by_label("E-mail address").fill(GARDEN)
        await page.get_by_role("button", name="Make forum").click()
        await expect(page.get_by_role("alert")).to_contain_text("already belongs")
        await expect(page.get_by_label("Name", exact=True)).to_have_value("Second")
