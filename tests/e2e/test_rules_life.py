"""What becomes of a rule: the form it is written in, back-tests, versions, warnings, promotion."""

import asyncio
from typing import Any

from playwright.async_api import Page, expect

from support import browser
from support.client import letter, send
from support.pictures import DESK, take
from support.sharing import Account
from support.waiting import eventually

ANNA, SHOP = "anna@example.net", "orders@shop.example"


def compare(field: str, operator: str, *values: str, **more: Any) -> dict[str, Any]:
    return {"kind": "test", "field": field, "operator": operator, "values": list(values), **more}


def tagging(tag: str) -> list[dict[str, Any]]:
    return [{"kind": "add_tag", "tag": tag}]


async def mails(account: Account, *subjects: str, sender: str = ANNA) -> None:
    for subject in subjects:
        name = subject.replace(" ", ".")
        mail = letter(sender, account.at("office"), subject, message_id=f"{name}@x")
        await asyncio.to_thread(send, account.system, mail, sender, account.at("office"))


async def office(account: Account) -> dict[str, Any]:
    source = {"type": "smtp", "addresses": [account.at("office")]}
    return await account.api.post("/mailboxes", name="Office", source=source)


async def ended(account: Account, operation: dict[str, Any]) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        found = await account.api.get(f"/operations/{operation['id']}")
        return found if found["state"] != "running" else None

    found = await eventually(look, what="the back-test's end")
    assert found["state"] == "done", found
    return found["result"]


async def test_a_draft_is_tried_on_mail_that_came_and_compared_with_the_rule(
    account: Account,
) -> None:
    api, box = account.api, await office(account)
    rule = await api.post(
        "/rules", name="Bills", mailbox=box["id"], actions=tagging("bill"),
        condition=compare("subject", "starts", "Invoice"),
    )  # fmt: skip
    await mails(account, "Invoice 1", "Invoice 2", "Bill 3", "Roses")
    await api.messages(4)
    alone = await ended(account, await api.post("/rules/backtests", rule=rule["id"], days=1))
    assert (alone["tried"], alone["matched"], alone["new"], alone["lost"]) == (4, 2, 0, 0)
    draft = {
        "condition": compare("subject", "regex", r"(?:Invoice|Bill) ([13])"),
        "actions": [*tagging("no {1}"), {"kind": "forward", "to": "x@example.com"}],
    }
    found = await ended(
        account, await api.post("/rules/backtests", rule=rule["id"], draft=draft, days=30)
    )
    assert (found["compared"], found["matched"], found["new"], found["lost"]) == (True, 2, 1, 1)
    assert found["deeds"] == {
        "tagged “no 1”": 1, "tagged “no 3”": 1, "forwarded to x@example.com": 2,
    }  # fmt: skip
    rows = {row["id"]: row["subject"] for row in await api.messages(4)}
    changes = {rows[one["message"]]: one["change"] for one in found["examples"]}
    assert changes == {"Invoice 1": "same", "Invoice 2": "gone", "Bill 3": "new"}
    unsaved = await ended(
        account, await api.post("/rules/backtests", draft=draft, mailbox=box["id"], days=1)
    )
    assert (unsaved["compared"], unsaved["rule"], unsaved["matched"]) == (False, "", 2)
    assert (await api.get("/deliveries"))["data"] == [], "nothing is done"
    # Only one mailbox's mail, and only what the rules before let through.
    await api.post(
        "/rules", name="Stop", actions=[{"kind": "stop"}], condition=compare("to", "exists")
    )
    stopped = await ended(
        account, await api.post("/rules/backtests", draft=draft, mailbox=box["id"], days=1)
    )
    assert (stopped["tried"], stopped["matched"]) == (4, 0)


async def test_what_a_back_test_cannot_be(account: Account) -> None:
    await office(account)
    for body, pointer in (
        ({"days": 30}, "/rule"),
        ({"days": 91, "rule": "rul_none"}, "/days"),
        (
            {"draft": {"condition": compare("body", "regex", "("), "actions": tagging("x")}},
            "/condition/values/0",
        ),
    ):
        answer = await account.api.client.post("/api/v1/rules/backtests", json=body)
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["pointer"] == pointer, answer.text
    draft = {"condition": compare("to", "exists"), "actions": tagging("x")}
    for body in ({"rule": "rul_none"}, {"draft": draft, "mailbox": "usr_none"}):
        answer = await account.api.client.post("/api/v1/rules/backtests", json=body)
        assert answer.status_code == 404


async def test_each_version_is_kept_and_can_be_gone_back_to(account: Account) -> None:
    api = account.api
    first = await api.post(
        "/rules", name="Bills", actions=tagging("bill"), condition=compare("subject", "is", "x")
        | {"operator": "contains"},
    )  # fmt: skip
    path = f"/api/v1/rules/{first['id']}"
    wider = compare("subject", "contains", "invoice", "bill")
    assert (await api.client.patch(path, json={"condition": wider})).status_code == 200
    assert (
        await api.client.patch(path, json={"name": "Bills!", "shadow": True})
    ).status_code == 200
    assert (await api.client.patch(path, json={"position": 70})).status_code == 200
    found = (await api.get(f"/rules/{first['id']}/versions"))["data"]
    assert [one["name"] for one in found] == ["Bills!", "Bills", "Bills"], "a move is no version"
    assert [(one["mark"], one["words"]) for one in found[1]["changes"]] == [
        ("same", "“Bills”, on"),
        ("removed", "the subject contains “x”"),
        ("added", "the subject contains “invoice” or “bill”"),
        ("same", "→ tag “bill”"),
    ]
    assert {one["changed_by"] for one in found} == {found[0]["changed_by"]} != {""}
    back = await api.post(f"/rules/{first['id']}/rollback", version=found[2]["version"])
    assert (back["name"], back["shadow"], back["condition"]["values"]) == ("Bills", False, ["x"])
    assert len((await api.get(f"/rules/{first['id']}/versions"))["data"]) == 4
    gone = await api.client.post(f"{path}/rollback", json={"version": 0})
    assert gone.status_code == 404


async def test_what_is_wrong_is_said_and_never_in_the_way(account: Account) -> None:
    api, box = account.api, await office(account)
    await api.post(
        "/rules", name="All", condition=compare("to", "exists"), actions=[{"kind": "stop"}]
    )
    never = await api.post(
        "/rules", name="Late", mailbox=box["id"], actions=tagging("late"),
        condition=compare("to", "exists"),
    )  # fmt: skip
    loop = await api.post(
        "/rules", name="Round", layer="before", condition={"kind": "group", "mode": "all", "of": []},
        actions=[{"kind": "forward", "to": account.at("office")}],
    )  # fmt: skip
    found = (await api.get("/rules/analysis"))["data"]
    kinds = {(one["rule"], one["kind"]) for one in found}
    assert kinds == {(never["id"], "unreachable"), (loop["id"], "loop")}
    assert (await api.get(f"/rules/analysis?mailbox={box['id']}"))["data"] == found
    page = (await api.client.get("/rules")).text
    assert "Never reached" in page
    assert "it would come back" in page


async def test_a_mail_is_decided_again_by_todays_rules_and_each_difference_has_its_cause(
    account: Account,
) -> None:
    api = account.api
    await office(account)
    changed, removed, same = [
        await api.post(
            "/rules",
            name=name,
            actions=tagging(name),
            condition=compare("subject", "contains", "x"),
        )
        for name in ("changed", "removed", "same")
    ]
    await mails(account, "x")
    (row,) = await api.messages(1)
    nothing = await api.post(f"/messages/{row['id']}/replay")
    assert (nothing["differences"], nothing["rules"]) == ([], [])
    await api.client.patch(f"/api/v1/rules/{changed['id']}", json={"actions": tagging("other")})
    await api.client.delete(f"/api/v1/rules/{removed['id']}")
    new = await api.post(
        "/rules", name="new", actions=[{"kind": "mark_read"}], condition=compare("to", "exists")
    )

    async def replayed() -> dict[str, Any] | None:
        found = await api.post(f"/messages/{row['id']}/replay")
        return found if len(found["rules"]) == 3 else None  # a rule is live a moment after

    found = await eventually(replayed, what="three differences")
    causes = {one["rule"]: one["cause"] for one in found["rules"]}
    assert causes == {changed["id"]: "changed", removed["id"]: "removed", new["id"]: "new"}
    assert same["id"] not in causes
    tags = next(one for one in found["differences"] if one["what"] == "tags")
    assert (tags["then"], tags["now"]) == ("changed, removed, same", "other, same")
    assert (await api.messages(1))[0]["tags"] == ["changed", "removed", "same"], "nothing is done"
    page = await api.client.get(f"/messages/{row['id']}/replay")
    assert "The rule is newer than the mail." in page.text


async def add_action(page: Page, kind: str) -> None:
    await page.get_by_role("combobox", name="Action", exact=True).select_option(kind)
    await page.get_by_role("button", name="Add this action").click()


@browser.NEEDED
async def test_a_rule_is_written_tried_and_made_live_on_the_page(account: Account) -> None:
    """Three levels of groups from a mail, tried on mail that came, into the shadow, then live."""
    api = account.api
    await office(account)
    await mails(account, "Invoice 4711", "Reminder invoice 4712", sender=SHOP)
    await mails(account, "Invoice for roses", "Roses")
    rows = {row["subject"]: row["id"] for row in await api.messages(4)}
    async with browser.chromium() as chrome:
        page = await chrome.new_page(viewport=DESK)
        page.set_default_timeout(20_000)
        await browser.sign_in(page, account.system, f"/messages/{rows['Invoice 4711']}", account)
        await page.get_by_role("link", name="Make a rule from this").click()
        await expect(page.get_by_label("Value, comparison 1")).to_have_value(SHOP)
        await page.get_by_role("button", name="the subject contains “Invoice”").click()
        await expect(page.get_by_label("Value, comparison 2")).to_have_value("Invoice")
        await page.get_by_label("Name", exact=True).fill("Bills of the shop")
        await page.get_by_role("button", name="Add a group", exact=True).click()
        await page.get_by_label("How many of the group 2").select_option("any")
        await page.get_by_label("What, comparison 3").select_option("subject")
        await page.get_by_label("Value, comparison 3").fill("4711")
        await page.get_by_role("button", name="Add a group 2", exact=True).click()
        await page.get_by_label("How many of the group 2.1").select_option("none")
        await page.get_by_label("Value, comparison 4").fill("reminder")
        await add_action(page, "auto_reply")
        await page.get_by_label("Text of the answer").fill("Thank you.")
        await add_action(page, "add_tag")
        await page.get_by_label("Tag", exact=True).fill("bills")
        await expect(page.locator("#sentence")).to_contain_text("tag “bills”")
        await expect(page.locator("#sentence")).to_contain_text("(the subject contains “4711” or")
        await page.get_by_role("button", name="Remove action 1").click()
        await page.get_by_label("In the shadow").check()
        await take(page, "rule-editor")
        async with page.expect_popup() as opened:
            await page.get_by_role("button", name="Try it on the last days").click()
        tried = await opened.value
        await expect(
            tried.get_by_role("heading", name="“Bills of the shop” on mail")
        ).to_be_visible()
        await expect(tried.locator(".tile").first).to_contain_text("1 would match")
        await expect(tried.get_by_role("link", name="Invoice 4711")).to_be_visible()
        await take(tried, "backtest")
        await tried.close()
        await page.get_by_role("button", name="Save rule").click()
        await expect(page.get_by_text("matched no mail in 30 days")).to_be_visible()
        await mails(account, "Invoice 4711 again", sender=SHOP)
        await api.messages(5)
        await page.reload()
        await expect(page.get_by_text("would have matched 1 mail in 7 days")).to_be_visible()
        await take(page, "rules-shadow")
        await page.get_by_role("link", name="Bills of the shop").click()
        await expect(page.get_by_role("button", name="Make it live")).to_be_visible()
        await take(page, "rule-in-shadow")
        await page.get_by_role("button", name="Make it live").click()
        await expect(page.locator("ol.list .tag")).to_have_count(0)
        await page.get_by_role("link", name="Bills of the shop").click()
        await page.get_by_role("link", name="Versions").click()
        await expect(page.locator("ins")).to_contain_text("“Bills of the shop”, on")
        await take(page, "rule-versions")
        await page.get_by_role("button", name="Go back to version").click()
        await expect(page.get_by_role("button", name="Go back to version")).to_have_count(2)
        rule = (await api.get("/rules"))["data"][0]
        assert rule["shadow"], "as it was"


@browser.NEEDED
async def test_rules_are_put_in_order_by_dragging(account: Account) -> None:
    api = account.api
    for name in ("one", "two", "three"):
        await api.post(
            "/rules", name=name, actions=tagging(name), condition=compare("to", "exists")
        )
    async with browser.chromium() as chrome:
        page = await chrome.new_page(viewport=DESK)
        page.set_default_timeout(20_000)
        await browser.sign_in(page, account.system, "/rules", account)
        titles = page.locator("ol.list a.title")
        await expect(titles).to_have_text(["one", "two", "three"])
        rows = page.locator("ol.list > li")
        await rows.nth(2).locator(".handle").drag_to(rows.nth(0))
        await expect(titles).to_have_text(["three", "one", "two"])
