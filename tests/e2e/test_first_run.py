"""The first steps, as the first administrator takes them; and a test mail that arrives."""

import json
import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from support import browser, dovecot
from support.client import Api, letter, wire
from support.dovecot import PASSWORD, USER, Dovecot
from support.pictures import DESK, take
from support.sink import Sink
from support.system import System
from support.waiting import eventually

SUPPORT = "support@example.org"
needs_dovecot = pytest.mark.skipif(
    dovecot.missing() is not None,
    reason=f"needs {dovecot.missing()}: apt-get install dovecot-imapd dovecot-pop3d",
)


@browser.NEEDED
async def test_the_first_steps_end_with_a_mail_that_arrives(running: System, api: Api) -> None:
    async with browser.chromium() as chrome:
        context = await chrome.new_context(viewport=DESK, timezone_id="Asia/Tokyo")
        page = await context.new_page()
        page.set_default_timeout(20_000)
        watch = browser.Watch(page, running.base_url)
        await browser.sign_in(page, running)
        await expect(page.get_by_role("heading", name="Welcome to Postroom")).to_be_visible()
        await take(page, "setup-you")
        await page.get_by_label("Name").fill("Ada Admin")
        await page.get_by_role("button", name="Go on").click()

        await page.get_by_label("Which address").fill("support at example.org")
        await page.get_by_role("button", name="Go on").click()
        await expect(page.get_by_role("alert")).to_contain_text("is no e-mail address")
        assert watch.errors.pop().startswith("Failed to load resource")
        await expect(page.get_by_label("Which address")).to_have_value("support at example.org")
        await take(page, "setup-mailbox")
        await page.get_by_label("Which address").fill(SUPPORT)
        await page.get_by_role("button", name="Go on").click()
        await expect(page.get_by_text("Nothing has come in yet")).to_be_visible()
        await take(page, "setup-arrival")
        await page.get_by_role("button", name="Send a test mail").click()
        await expect(page.get_by_text("It has arrived.")).to_be_visible()
        await take(page, "setup-arrived")
        await watch_one_arrive_without_scripts(page, running)
        await keys_and_times(page, running)

        await page.goto(f"{running.base_url}/setup/mailbox")
        await page.get_by_role("link", name="Support").click()
        await expect(page.get_by_role("heading", name="Its newest mail")).to_be_visible()
        await page.get_by_role("button", name="Finish").click()
        await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        assert watch.errors == []
        assert watch.elsewhere == []
    boxes = (await api.get("/mailboxes"))["data"]
    assert [(one["name"], one["source"]["addresses"]) for one in boxes] == [("Support", [SUPPORT])]
    assert (await api.get("/me"))["name"] == "Ada Admin"


async def watch_one_arrive_without_scripts(page: Page, running: System) -> None:
    """The page of a test mail reloads itself."""
    assert page.context.browser is not None
    plain = await page.context.browser.new_context(
        java_script_enabled=False, storage_state=await page.context.storage_state()
    )
    other = await plain.new_page()
    await other.goto(f"{running.base_url}/mailboxes")
    await other.get_by_role("link", name="Support").click()
    await other.get_by_role("button", name="Send a test mail").click()
    await expect(other.get_by_text("It has arrived.")).to_be_visible(timeout=20_000)
    await other.get_by_role("link", name=re.compile("^Test mail for Support")).click()
    await expect(other.get_by_role("heading", name=re.compile("^Test mail for"))).to_be_visible()
    await plain.close()


async def keys_and_times(page: Page, running: System) -> None:
    """j and k move, Enter opens, ? lists them; times are in the viewer's zone."""
    await page.goto(f"{running.base_url}/messages")
    subjects = page.locator("td.main a")
    await page.keyboard.press("j")
    await expect(subjects.nth(0)).to_be_focused()
    await page.keyboard.press("j")
    await expect(subjects.nth(1)).to_be_focused()
    await page.keyboard.press("j")
    await expect(subjects.nth(1)).to_be_focused()
    await page.keyboard.press("k")
    await expect(subjects.nth(0)).to_be_focused()
    time = page.locator("td time").first
    await expect(time).to_have_attribute("title", re.compile("GMT\\+9"))
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    await take(page, "keys")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name=re.compile("^Test mail for"))).to_be_visible()
    await page.goto(f"{running.base_url}/mailboxes")
    await page.keyboard.press("/")
    await expect(page.get_by_label("Search")).to_be_focused()
    await page.keyboard.type("j/k?")
    await expect(page.get_by_label("Search")).to_have_value("j/k?")


@browser.NEEDED
@needs_dovecot
async def test_a_first_mailbox_by_pop3_with_a_rule_from_its_form(
    running: System, api: Api, server: Dovecot
) -> None:
    server.put(
        wire(letter("Ben <ben@example.net>", USER, "Invoice 17", message_id="1@x")),
        wire(letter("Ben <ben@example.net>", USER, "Hello", message_id="2@x")),
    )
    async with browser.chromium() as chrome:
        page = await chrome.new_page(viewport=DESK)
        page.set_default_timeout(20_000)
        await browser.sign_in(page, running)
        await page.get_by_role("button", name="Go on").click()
        await page.get_by_label("Which address").fill("office@example.invalid")
        await page.get_by_label("Postroom fetches it by POP3").check()
        await page.get_by_role("button", name="Go on").click()
        await expect(page.get_by_label("Server", exact=True)).to_have_value("pop.example.invalid")
        await expect(page.get_by_label("Port", exact=True)).to_have_value("995")
        await expect(page.get_by_text("the server is a guess")).to_be_visible()
        await page.get_by_label("Name").fill("Office")
        await page.get_by_label("Server", exact=True).fill("localhost")
        await page.get_by_label("Port", exact=True).fill(str(server.pop3s))
        await page.get_by_label("Verify the server's certificate").uncheck()
        await page.get_by_label("Login").fill(USER)
        await page.get_by_label("Password").fill(PASSWORD)
        # By hand only: what comes before there is a rule would not be sorted by it.
        await page.get_by_label("Check every").fill("")
        async with page.expect_popup() as popup:
            await page.get_by_role("button", name="Test connection").click()
        test = await popup.value
        await expect(test.get_by_text("It works")).to_be_visible()
        await test.close()
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.get_by_role("heading", name="A mail that arrives")).to_be_visible()
        box = page.url.rpartition("/")[2]

        await page.goto(f"{running.base_url}/mailboxes/{box}")
        await page.get_by_role("button", name="Save and add rule").click()
        await page.get_by_label("Name", exact=True).fill("Bills")
        await page.get_by_label("Value, comparison 1").fill("invoice")
        await page.get_by_role("combobox", name="Action", exact=True).select_option(
            "set_importance"
        )
        await page.get_by_role("button", name="Add this action").click()
        await page.get_by_role("combobox", name="Importance", exact=True).select_option("high")
        await page.get_by_role("button", name="Save rule").click()
        await expect(page.get_by_role("link", name="Bills")).to_be_visible()

        await page.goto(f"{running.base_url}/setup/arrival/{box}")
        await page.get_by_role("button", name="Receive now").click()
        await page.get_by_role("link", name="Invoice 17").click()
        await expect(page.get_by_text("Bills", exact=True).first).to_be_visible()
        await expect(page.get_by_text("matched", exact=True)).to_be_visible()


@needs_dovecot
async def test_a_test_mail_to_a_fetched_mailbox_is_looked_for(
    running: System, api: Api, server: Dovecot, sink: Sink
) -> None:
    """It goes out by the relay; whoever looks on has the mailbox checked until it is in."""
    server.add_user("office@example.net")
    box = await api.post(
        "/mailboxes",
        name="Office",
        source={
            "type": "imap", "host": "localhost", "port": server.imaps, "ca": server.ca,
            "login": "office@example.net", "password": PASSWORD,
        },
    )  # fmt: skip
    begun = await api.client.post(f"/api/v1/mailboxes/{box['id']}/test-mail")
    assert begun.status_code == 202
    assert begun.json()["state"] == "running"
    await sink.wait_for(1)
    (mail,) = sink.received
    assert mail.rcpt_tos == ("office@example.net",)
    server.put(mail.raw, user="office@example.net")
    stages, end = await look_on(api, begun.json()["id"])
    assert [one["name"] for one in stages] == ["handed_over", "delivered", "arrived"]
    assert end["state"] == "done"
    (row,) = (await api.get(f"/messages?mailbox={box['id']}"))["data"]
    assert (row["id"], row["subject"]) == (end["result"]["message"], end["result"]["subject"])


async def look_on(api: Api, operation: str) -> tuple[list[Any], Any]:
    """The stages that are told, and the end."""
    stages: list[Any] = []
    event = ""
    async with api.lines(f"/operations/{operation}/events") as lines:
        async for line in lines:
            kind, _, value = line.partition(": ")
            if kind == "event":
                event = value
            elif kind == "data" and event == "stage":
                stages.append(json.loads(value))
            elif kind == "data" and event == "end":
                return stages, json.loads(value)
    raise AssertionError("the feed ended without an end")


async def test_a_test_mail_needs_an_address_and_says_what_became_of_it(
    running: System, api: Api, sink: Sink
) -> None:
    empty = await api.post("/mailboxes", name="Empty", source={"type": "smtp"})
    login = await api.post(
        "/mailboxes",
        name="Login",
        source={"type": "imap", "host": "imap.example.net", "login": "office", "password": "x"},
    )
    for box in (empty, login):
        answer = await api.client.post(f"/api/v1/mailboxes/{box['id']}/test-mail")
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    sink.refuse("gone@example.net", "550 5.1.1 no such user here")
    gone = await api.post(
        "/mailboxes",
        name="Gone",
        source={
            "type": "imap", "host": "imap.example.net", "login": "gone@example.net",
            "password": "x",
        },
    )  # fmt: skip
    begun = await api.post(f"/mailboxes/{gone['id']}/test-mail")

    async def failed() -> Any:
        found = await api.get(f"/operations/{begun['id']}")
        assert found["state"] == "failed"
        return found

    found = await eventually(failed, what="the refusal is known")
    assert "no such user here" in found["result"]["error"]
    assert [one["well"] for one in found["result"]["stages"]] == [True, False]
