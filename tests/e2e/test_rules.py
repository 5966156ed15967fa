"""Rules that people write: by API, by form, tried on a mail, and done to mail that comes."""

import asyncio
import smtplib
from itertools import count
from typing import Any

from playwright.async_api import expect

from support import browser
from support.client import letter, send, wire
from support.pictures import DESK, take
from support.sharing import Account
from support.waiting import eventually

GARDEN = "garden@example.org"
ANNA, BOSS = "anna@example.net", "boss@example.com"


def compare(field: str, operator: str, *values: str) -> dict:
    return {"kind": "test", "field": field, "operator": operator, "values": list(values)}


async def test_rules_mark_forward_and_stop(account: Account) -> None:
    running, api, sink = account.system, account.api, account.sink
    garden, boss = account.at("garden"), account.person("boss")
    forum = await api.forum("Garden", garden)
    (mailbox,) = (await api.get("/mailboxes"))["data"]
    await api.post(
        "/rules",
        name="Invoices",
        condition=compare("subject", "regex", r"^invoice \d+"),
        actions=[
            {"kind": "set_importance", "level": "high"},
            {"kind": "add_tag", "tag": "money"},
            {"kind": "forward", "to": boss},
            {"kind": "stop"},
        ],
    )
    sentences = [rule["sentence"] for rule in (await api.get("/rules"))["data"]]
    assert f"forward to {boss}, then stop" in sentences[0]
    trial = await api.post(
        "/rules/try",
        mailbox=mailbox["id"],
        raw=wire(letter(ANNA, garden, "Invoice 17", message_id="try@x")).decode(),
    )
    assert trial["decision"]["tags"] == ["money"]
    for subject in ("Invoice 17", "Roses"):
        mail = letter(ANNA, garden, subject, message_id=f"{subject.split()[0]}@x")
        await asyncio.to_thread(send, running, mail, ANNA, garden)
    rows = {row["subject"]: row for row in await api.messages(2)}
    assert (rows["Invoice 17"]["importance"], rows["Invoice 17"]["tags"]) == ("high", ["money"])
    assert (rows["Roses"]["importance"], rows["Roses"]["tags"]) == ("normal", [])
    (topic,) = await api.topics(forum, 1)
    assert topic["title"] == "Roses", "the account's rule stopped before the forum's"
    (forwarded,) = await sink.wait_for(1)
    assert (forwarded.mail_from, forwarded.rcpt_tos) == ("", (boss,))
    assert forwarded.raw.startswith(b"Postroom-Forwarded: ")
    assert b"Subject: Invoice 17" in forwarded.raw

    async def shown() -> Any:
        return [row for row in (await api.get("/deliveries"))["data"] if row["recipient"] == boss]

    (delivery,) = await eventually(shown, what="the forward in the outbox")
    copy = await api.client.get(f"/api/v1/deliveries/{delivery['serial']}/raw")
    assert copy.content == forwarded.raw
    page = await api.client.get(f"/outbox/{delivery['serial']}")
    assert "Invoice 17" in page.text


async def test_what_a_rule_deleted_can_be_brought_back(account: Account) -> None:
    running, api = account.system, account.api
    garden = account.at("garden")
    await api.post("/mailboxes", name="Box", source={"type": "smtp", "addresses": [garden]})
    await api.post(
        "/rules",
        name="Junk",
        condition=compare("subject", "contains", "junk"),
        actions=[{"kind": "delete"}],
    )
    for subject in ("Junk mail", "Good mail"):
        mail = letter(ANNA, garden, subject, message_id=f"{subject[:4]}@x")
        await asyncio.to_thread(send, running, mail, ANNA, garden)
    (good,) = await api.messages(1)
    assert good["subject"] == "Good mail"
    (junk,) = (await api.get("/messages?deleted=true"))["data"]
    assert junk["deleted_at"]
    assert "Bring back" in (await api.client.get(f"/messages/{junk['id']}")).text
    back = await api.post(f"/messages/{junk['id']}/restore")
    assert back["deleted_at"] is None
    await api.messages(2)
    missing = await api.client.post("/api/v1/messages/msg_none/restore")
    assert missing.status_code == 404


async def test_a_rule_that_cannot_run_is_refused_with_its_place(account: Account) -> None:
    api = account.api
    answer = await api.client.post(
        "/api/v1/rules",
        json={
            "name": "Broken",
            "condition": {"kind": "group", "mode": "all", "of": [compare("body", "regex", "(")]},
            "actions": [{"kind": "post_to_forum", "forum": "frm_none"}],
        },
    )
    assert answer.status_code == 422
    assert [one["pointer"] for one in answer.json()["errors"]] == [
        "/condition/of/0/values/0",
        "/actions/0/forum",
    ]
    assert (await api.get("/rules"))["data"] == []


@browser.NEEDED
async def test_a_rule_is_written_changed_switched_and_deleted_on_the_page(account: Account) -> None:
    running, api = account.system, account.api
    garden = account.at("garden")
    await api.forum("Garden", garden)
    async with browser.chromium() as chrome:
        context = await chrome.new_context(java_script_enabled=False)
        page = await context.new_page()
        await browser.sign_in(page, running, "/rules", account)
        await page.get_by_role("link", name="New rule").click()
        await page.get_by_label("Name", exact=True).fill("Loud")
        await page.get_by_label("How, comparison 1").select_option("regex")
        await page.get_by_label("Value, comparison 1").fill("[A-Z")
        await page.get_by_role("combobox", name="Action", exact=True).select_option("add_tag")
        await page.get_by_role("button", name="Add this action").click()
        await page.get_by_label("Tag", exact=True).fill("loud")
        await page.get_by_role("button", name="Save rule").click()
        await expect(page.get_by_role("alert")).to_contain_text("not understood")
        await page.get_by_role("button", name="Several values, comparison 1").click()
        await page.get_by_label("Values, one a line, comparison 1").fill("^[A-Z ]+$\nurgent")
        await page.get_by_role("button", name="Save rule").click()
        await expect(page.get_by_text("tag “loud”")).to_be_visible()
        await page.get_by_role("link", name="Loud").click()
        await page.get_by_role("combobox", name="Action", exact=True).select_option("mark_read")
        await page.get_by_role("button", name="Add this action").click()
        await page.get_by_role("button", name="Save rule").click()
        await expect(page.get_by_text("then mark as read")).to_be_visible()
        await page.get_by_role("link", name="Try on a mail").click()
        await page.get_by_label("The mail, with its headers (.eml)").fill("Subject: urgent\n\nx\n")
        await page.get_by_role("button", name="Try").click()
        await expect(page.get_by_text("tagged “loud”")).to_be_visible()
        await page.goto(f"{running.base_url}/rules")
        row = page.get_by_role("listitem").filter(has_text="Loud")
        await row.get_by_role("button", name="Switch off").click()
        await expect(row.get_by_text("off", exact=True)).to_be_visible()
        await row.get_by_role("button", name="Delete Loud").click()
        await expect(page.get_by_role("link", name="Loud")).to_have_count(0)


async def test_mail_without_a_charset_is_read_in_the_mailboxes(account: Account) -> None:
    running, api = account.system, account.api
    garden = account.at("garden")
    text = "Счёт номер 17".encode("koi8-r")
    box = await api.post(
        "/mailboxes",
        name="Old",
        source={"type": "smtp", "addresses": [garden], "charset": "KOI8-R"},
    )
    assert box["source"]["charset"] == "koi8-r"
    wrong = await api.client.patch(
        f"/api/v1/mailboxes/{box['id']}", json={"source": {"charset": "klingon"}}
    )
    assert wrong.json()["errors"][0]["pointer"] == "/source/charset"
    forum = await api.forum("Bills", account.at("bills"))
    posting = {"kind": "post_to_forum", "forum": forum}
    await api.post(
        "/rules", name="Bills", mailbox=box["id"], condition=compare("body", "contains", "Счёт"),
        actions=[{"kind": "add_tag", "tag": "bill"}, posting],
    )  # fmt: skip
    raw = b"From: anna@example.net\r\nMessage-ID: <koi8@x>\r\nSubject: " + text + b"\r\n\r\n" + text
    await asyncio.to_thread(send, running, raw, ANNA, garden)
    (row,) = await api.messages(1)
    assert (row["subject"], row["tags"]) == ("Счёт номер 17", ["bill"])
    (topic,) = await api.topics(forum, 1)
    (post,) = await api.posts(topic["id"], 1)
    assert (topic["title"], post["text"].strip()) == ("Счёт номер 17", "Счёт номер 17")


async def test_a_rule_refuses_mail_while_its_sender_is_connected(account: Account) -> None:
    """… and where it is too late, hides it, and writes to nobody."""
    running, api = account.system, account.api
    boxes = [
        await api.post(
            "/mailboxes", name=name, source={"type": "smtp", "addresses": [account.at(name)]}
        )
        for name in ("strict", "open")
    ]
    condition = {"kind": "test", "field": "subject", "operator": "contains", "values": ["advert"]}
    made = await api.post(
        "/rules", name="No adverts", mailbox=boxes[0]["id"], condition=condition,
        actions=[{"kind": "reject", "text": "we buy nothing here"}],
    )  # fmt: skip
    assert "reject with" in made["sentence"]
    numbers = count()

    def advert() -> bytes:
        mail = letter(
            ANNA, account.at("strict"), "An advert", "buy\n", message_id=f"{next(numbers)}.x"
        )
        return wire(mail)

    async def refusal() -> (
        tuple[int, bytes] | None
    ):  # a rule is live a moment after it was answered
        try:
            await asyncio.to_thread(send, running, advert(), ANNA, account.at("strict"))
        except smtplib.SMTPDataError as error:
            return error.smtp_code, error.smtp_error
        return None

    assert await eventually(refusal) == (550, b"5.7.1 we buy nothing here")
    both = (account.at("strict"), account.at("open"))
    await asyncio.to_thread(send, running, advert(), ANNA, *both)

    async def found(box: Any, deleted: str) -> int:
        return len((await api.get(f"/messages?mailbox={box['id']}&deleted={deleted}"))["data"])

    async def hidden() -> bool:
        return await found(boxes[0], "true") == 1 and await found(boxes[1], "false") == 1

    await eventually(hidden, what="who is too late is hidden, the other shown")
    assert await found(boxes[1], "true") == 0
    assert (await api.get("/deliveries"))["data"] == []
    assert (await api.client.delete(f"/api/v1/rules/{made['id']}")).status_code == 204

    async def taken() -> bool:
        return await refusal() is None

    await eventually(taken, what="without the rule it is taken")


@browser.NEEDED
async def test_order_layers_and_the_shadow_on_the_page(account: Account) -> None:
    running, api, garden = account.system, account.api, account.at("garden")
    await api.post("/mailboxes", name="Box", source={"type": "smtp", "addresses": [garden]})
    catching = {**compare("subject", "regex", r"\[ticket (\d+)\]"), "part": "whole"}
    for name, more in (
        ("Last word", {"layer": "after", "condition": compare("envelope_to", "exists")}),
        ("Tickets", {"condition": catching}),
        ("Night", {"condition": compare("time", "between", "00:00..23:59")}),
    ):
        tag = "ticket {1}" if name == "Tickets" else name
        await api.post("/rules", name=name, actions=[{"kind": "add_tag", "tag": tag}], **more)
    async with browser.chromium() as chrome:
        page = await (await chrome.new_context(viewport=DESK)).new_page()
        page.set_default_timeout(20_000)
        await browser.sign_in(page, running, "/rules", account)
        titles = page.locator("ol.list a.title")
        await expect(titles).to_have_text(["Tickets", "Night", "Last word"])
        await page.get_by_role("button", name="Earlier: Night").click()
        await expect(titles).to_have_text(["Night", "Tickets", "Last word"])
        await page.get_by_role("button", name="Earlier: Night").click()  # it is the first already
        await expect(titles).to_have_text(["Night", "Tickets", "Last word"])
        await expect(page.get_by_text("for all mailboxes, at the end")).to_be_visible()
        await page.get_by_role("link", name="Night").click()
        await expect(page.get_by_label("How, comparison 1")).to_have_value("between")
        await page.get_by_label("In the shadow").check()
        await take(page, "rule-shadow")
        await page.get_by_role("button", name="Save rule").click()
        await expect(page.locator("ol.list .tag")).to_have_text(["in the shadow"])
        # A comparison without a value.
        await page.get_by_role("link", name="Last word").click()
        await expect(page.get_by_label("Rules for all mailboxes are tried")).to_have_value("after")
        await page.get_by_label("What, comparison 1").select_option("from")
        await page.get_by_label("Part of an address, comparison 1").select_option("domain")
        await page.get_by_role("button", name="Save rule").click()
        await expect(page.get_by_text("the domain of the sender is there")).to_be_visible()
        await take(page, "rules-in-order")
        mail = letter(ANNA, garden, "[Ticket 4711] roof", message_id="1@x")
        await asyncio.to_thread(send, running, mail, ANNA, garden)
        (row,) = await api.messages(1)
        assert row["tags"] == ["ticket 4711", "Last word"]
        await page.goto(f"{running.base_url}/messages/{row['id']}")
        await expect(page.get_by_text("in the shadow: nothing was done")).to_be_visible()
        await take(page, "message-shadow")
