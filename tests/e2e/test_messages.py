"""The message log: searched, narrowed, and mails marked by hand, many at once."""

import asyncio
from typing import Any

import pytest
from playwright.async_api import expect

from support import browser
from support.client import Api, letter, send
from support.pictures import DESK, take
from support.sharing import Account

ANNA, BERT = "anna@example.net", "bert@example.com"


async def arrive(account: Account) -> dict[str, str]:
    """Five mails; id by subject."""
    api, box = account.api, account.at("support")
    await api.post("/mailboxes", name="Support", source={"type": "smtp", "addresses": [box]})
    await api.post(
        "/rules", name="Loud",
        condition={"kind": "test", "field": "subject", "operator": "contains", "values": ["urgent"]},
        actions=[{"kind": "set_importance", "level": "high"}, {"kind": "add_tag", "tag": "loud"}],
    )  # fmt: skip
    for number, (sender, subject, text) in enumerate(
        (
            (ANNA, "Invoice 17", "The total is 100% right"),
            (ANNA, "Urgent: roof leaks", "water"),
            (BERT, "Résumé", "Grüße aus Köln"),
            (BERT, "invoices_2026", "see the_file"),
            (ANNA, "Holiday", "the roof is fine"),
        )
    ):
        written = letter(sender, box, subject, text, message_id=f"{number}@x")
        await asyncio.to_thread(send, account.system, written, sender, box)
    return {row["subject"]: row["id"] for row in await api.messages(5)}


async def found(api: Api, query: str) -> list[str]:
    return [row["subject"] for row in (await api.get(f"/messages?{query}"))["data"]]


async def test_mails_are_found_by_words_and_by_what_they_are(account: Account) -> None:
    api = account.api
    await arrive(account)
    for query, subjects in (
        ("search=invoice", {"Invoice 17", "invoices_2026"}),
        ("search=INVOICE 17", {"Invoice 17"}),
        ("search=roof", {"Urgent: roof leaks", "Holiday"}),
        ("search=oof", set()),
        ("search=köln", {"Résumé"}),
        ("search=rés", {"Résumé"}),
        ("search=bert example com", {"Résumé", "invoices_2026"}),
        ("search='roof' | holiday %26 !x:*", set()),
        ("search=%26 | !", {"Invoice 17", "Urgent: roof leaks", "Résumé", "invoices_2026", "Holiday"}),
        ("sender=BERT", {"Résumé", "invoices_2026"}),
        ("sender=%25", set()),
        ("recipient=support@", {"Invoice 17", "Urgent: roof leaks", "Résumé", "invoices_2026", "Holiday"}),
        ("importance=high", {"Urgent: roof leaks"}),
        ("tag=loud", {"Urgent: roof leaks"}),
        ("tag=lou", set()),
        ("search=roof&importance=normal", {"Holiday"}),
        ("since=2020-01-01T00:00:00Z&until=2021-01-01T00:00:00Z", set()),
        ("since=2020-01-01T00:00:00Z&search=holiday", {"Holiday"}),
        ("spam=true", set()),
    ):  # fmt: skip
        assert set(await found(api, query)) == subjects, query
    first = await api.get("/messages?search=invoice&limit=1")
    second = await api.get(f"/messages?search=invoice&limit=1&cursor={first['next_cursor']}")
    assert [one["subject"] for one in first["data"] + second["data"]] == [
        "invoices_2026", "Invoice 17",
    ]  # fmt: skip
    assert second["next_cursor"] is None
    wrong = await api.client.get("/api/v1/messages?since=yesterday")
    assert wrong.status_code in {400, 422}


async def test_many_are_marked_at_once(account: Account) -> None:
    api = account.api
    ids = await arrive(account)
    some = [ids["Invoice 17"], ids["invoices_2026"]]

    async def mark(kind: str, **more: Any) -> list[str]:
        asked = [*some, "msg_none"]
        answer: Any = await api.post("/messages/marks", messages=asked, mark=kind, **more)
        return sorted(answer["messages"])

    for kind, more, query in (
        ("spam", {}, "spam=true"),
        ("read", {}, "read=true"),
        ("tag", {"tag": " money "}, "tag=money"),
        ("delete", {}, "deleted=true"),
    ):
        assert await mark(kind, **more) == sorted(some), kind
        assert set(await found(api, query)) == {"Invoice 17", "invoices_2026"}, kind
        if kind == "delete":
            assert len(await found(api, "limit=50")) == 3
            await mark("restore")
    for kind, more, query in (
        ("not_spam", {}, "spam=true"),
        ("unread", {}, "read=true"),
        ("untag", {"tag": "money"}, "tag=money"),
    ):
        await mark(kind, **more)
        assert await found(api, query) == [], kind
    assert len(await found(api, "limit=50")) == 5
    refused = await api.client.post(
        "/api/v1/messages/marks", json={"messages": some, "mark": "tag"}
    )
    assert refused.status_code == 422
    assert "which tag" in refused.text
    audit = [one["action"] for one in (await api.get("/audit"))["data"]]
    assert audit.count("message.spam") == 2


@browser.NEEDED
@pytest.mark.parametrize("scripts", [True, False])
async def test_on_the_page(account: Account, scripts: bool) -> None:
    await arrive(account)
    async with browser.chromium() as chrome:
        context = await chrome.new_context(viewport=DESK, java_script_enabled=scripts)
        page = await context.new_page()
        page.set_default_timeout(20_000)
        await browser.sign_in(page, account.system, "/messages", account)
        titles = page.locator("td.main a")
        await expect(titles).to_have_count(5)
        await page.get_by_label("Search").fill("roof")
        await page.get_by_role("button", name="Search").click()
        await expect(titles).to_have_text(["Holiday", "Urgent: roof leaks"])
        await page.get_by_label("Select: Holiday").check()
        await page.get_by_label("What is done").select_option("tag")
        await page.locator(".marks").get_by_role("textbox", name="Tag").fill("sun")
        await page.get_by_role("button", name="Mark", exact=True).click()
        await expect(titles).to_have_text(["Holiday", "Urgent: roof leaks"])
        await expect(page.locator("tr", has_text="Holiday").locator(".tag")).to_have_text(["sun"])
        await page.get_by_text("More", exact=True).click()
        if scripts:
            await take(page, "messages-searched")
        await page.locator(".sieve").get_by_label("Importance").select_option("high")
        await page.get_by_role("button", name="Search").click()
        await expect(titles).to_have_text(["Urgent: roof leaks"])
        await page.get_by_label("Search").fill("nothing like it")
        await page.get_by_role("button", name="Search").click()
        await expect(page.get_by_text("No mail fits.")).to_be_visible()
        await page.get_by_role("link", name="All messages").click()
        await expect(titles).to_have_count(5)
