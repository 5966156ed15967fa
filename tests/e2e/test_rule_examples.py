"""Mails that are kept with a rule and tried at each change of it."""

import asyncio
from typing import Any

from playwright.async_api import expect

from support import browser
from support.client import letter, send
from support.operator import database
from support.pictures import DESK, take
from support.sharing import Account
from support.waiting import eventually

ANNA = "anna@example.net"
INVOICE = f"From: {ANNA}\nTo: office@x.example\nSubject: Invoice 17\n\nPlease pay.\n"
ROSES = f"From: {ANNA}\nSubject: Roses\n\nThey bloom.\n"
SUBJECT = {"kind": "test", "field": "subject", "operator": "contains"}
TAGGING = [{"kind": "add_tag", "tag": "bill"}]


async def office(account: Account) -> dict[str, Any]:
    source = {"type": "smtp", "addresses": [account.at("office")]}
    return await account.api.post("/mailboxes", name="Office", source=source)


async def bills(account: Account, *values: str, mailbox: str | None = None) -> dict[str, Any]:
    return await account.api.post(
        "/rules", name="Bills", mailbox=mailbox, actions=TAGGING,
        condition={**SUBJECT, "values": list(values)},
    )  # fmt: skip


async def arrived(account: Account, subject: str, number: int = 1) -> dict[str, Any]:
    mail = letter(ANNA, account.at("office"), subject)
    await asyncio.to_thread(send, account.system, mail, ANNA, account.at("office"))
    return next(one for one in await account.api.messages(number) if one["subject"] == subject)


async def failing(account: Account) -> list[str]:
    found = (await account.api.get("/rules/analysis"))["data"]
    return [one["words"] for one in found if one["kind"] == "example"]


async def outcomes(account: Account, rule: str) -> dict[str, Any]:
    found = (await account.api.get(f"/rules/{rule}/examples"))["data"]
    return {one["name"]: one["holds"] for one in found}


async def test_examples_are_tried_at_each_change_and_a_rollback(account: Account) -> None:
    api = account.api
    rule = await bills(account, "invoice")
    path = f"/rules/{rule['id']}/examples"
    made = await api.post(path, raw=INVOICE, expects=True)
    assert (made["name"], made["matched"], made["holds"]) == ("Invoice 17", True, True)
    assert (made["sender"], made["message"]) == (ANNA, None)
    assert made["conditions"] == [
        {"condition": "subject contains “invoice”", "value": "Invoice 17", "matched": True}
    ]
    await api.post(path, raw=ROSES, expects=False, name="Flowers")
    assert await failing(account) == []
    wider = {"condition": {**SUBJECT, "values": ["roses"]}}
    assert (await api.client.patch(f"/api/v1/rules/{rule['id']}", json=wider)).status_code == 200
    assert await failing(account) == [
        "the example “Invoice 17” does not match, and should",
        "the example “Flowers” matches, and should not",
    ]
    assert await outcomes(account, rule["id"]) == {"Invoice 17": False, "Flowers": False}
    (now, first) = (await api.get(f"/rules/{rule['id']}/versions"))["data"]
    await api.post(f"/rules/{rule['id']}/rollback", version=first["version"])
    assert await failing(account) == []
    await api.post(f"/rules/{rule['id']}/rollback", version=now["version"])
    for one in (await api.get(path))["data"]:
        assert (await api.client.delete(f"/api/v1{path}/{one['id']}")).status_code == 204
    assert await failing(account) == []
    again = await api.client.delete(f"/api/v1{path}/{made['id']}")
    assert again.status_code == 404


async def test_a_mail_that_came_is_kept_with_what_was_known_and_goes_when_it_is_erased(
    account: Account,
) -> None:
    api, box = account.api, await office(account)
    rule = await bills(account, "invoice", mailbox=box["id"])
    row = await arrived(account, "Invoice 4711")
    path = f"/rules/{rule['id']}/examples"
    made = await api.post(path, message=row["id"], expects=True)
    assert (made["message"], made["recipient"]) == (row["id"], account.at("office"))
    assert made["holds"], made
    # Nothing but the condition is tried.
    await api.post(
        "/rules", name="Stop", actions=[{"kind": "stop"}], condition={**SUBJECT, "values": ["i"]}
    )
    assert await outcomes(account, rule["id"]) == {"Invoice 4711": True}
    # With its mailbox it goes, and comes back.
    assert (await api.client.delete(f"/api/v1/mailboxes/{box['id']}")).status_code == 204
    await api.post(f"/deleted-mailboxes/{box['id']}/restore")
    assert await outcomes(account, rule["id"]) == {"Invoice 4711": True}
    erased = await api.client.delete(f"/api/v1/messages/{row['id']}?erase=true")
    assert erased.is_success, erased.text

    async def gone() -> bool:
        return await outcomes(account, rule["id"]) == {}

    await eventually(gone, what="the example of an erased mail to go")
    refused = await api.client.post(f"/api/v1{path}", json={"message": row["id"], "expects": True})
    assert refused.status_code == 422, refused.text


async def test_what_was_pasted_goes_with_its_author(account: Account) -> None:
    api, rule = account.api, await bills(account, "invoice")
    path = f"/rules/{rule['id']}/examples"
    await api.post(path, raw=INVOICE, expects=True)
    await api.post(path, raw=INVOICE.replace(ANNA, "ben@example.net"), expects=True, name="Ben's")
    await api.post("/erasures", address=ANNA)
    assert await outcomes(account, rule["id"]) == {"Ben's": True}


async def test_a_rule_takes_its_examples_with_it(account: Account) -> None:
    rule = await bills(account, "invoice")
    made = await account.api.post(f"/rules/{rule['id']}/examples", raw=INVOICE, expects=True)
    assert (await account.api.client.delete(f"/api/v1/rules/{rule['id']}")).status_code == 204
    async with database(account.system) as worker:
        count = "SELECT count(*) FROM config.rule_example WHERE id = $1"
        assert await worker.fetchval(count, made["id"]) == 0


async def test_what_no_example_can_be(account: Account) -> None:
    api = account.api
    rule = await bills(account, "invoice")
    path = f"/api/v1/rules/{rule['id']}/examples"
    umlauts = "Subject: x\n\n" + "ä" * 200_000
    for body, pointer in (
        ({"expects": True}, "/raw"),
        ({"expects": True, "raw": " \n"}, "/raw"),
        ({"expects": True, "raw": INVOICE, "message": "msg_x"}, "/raw"),
        ({"expects": True, "raw": "x" * 262_145}, "/raw"),
        ({"expects": True, "raw": umlauts}, "/raw"),
        ({"expects": True, "raw": INVOICE, "sender": "nobody"}, "/sender"),
        ({"raw": INVOICE}, "/expects"),
    ):
        answer = await api.client.post(path, json=body)
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["pointer"] == pointer, answer.text
    gone = await api.client.post(path, json={"expects": True, "message": "msg_none"})
    assert gone.status_code == 404
    deep = "\n".join(f'Content-Type: multipart/mixed; boundary="{n}"\n\n--{n}' for n in range(999))
    strange = await api.client.post(path, json={"expects": False, "raw": deep})
    assert strange.status_code in {201, 422}, strange.text
    for number in range(20 - (strange.status_code == 201)):
        await api.post(f"/rules/{rule['id']}/examples", raw=INVOICE, expects=True, name=f"{number}")
    full = await api.client.post(path, json={"expects": True, "raw": INVOICE})
    assert (full.status_code, full.json()["errors"][0]["code"]) == (422, "too_many")
    wider = {"condition": {**SUBJECT, "values": ["roses"]}}
    assert (await api.client.patch(f"/api/v1/rules/{rule['id']}", json=wider)).status_code == 200
    assert len(await failing(account)) >= 19


@browser.NEEDED
async def test_examples_on_the_pages(account: Account) -> None:
    """From the page of a mail, pasted, failing after a change, and deleted."""
    api, box = account.api, await office(account)
    rule = await bills(account, "invoice", mailbox=box["id"])
    row = await arrived(account, "Invoice 4711")
    async with browser.chromium() as chrome:
        page = await chrome.new_page(viewport=DESK)
        page.set_default_timeout(20_000)
        await browser.sign_in(page, account.system, f"/messages/{row['id']}", account)
        await page.get_by_role("button", name="Keep as example Bills").click()
        rows = page.locator("ol.trace > li")
        await expect(rows).to_have_count(1)
        await expect(rows.first).to_contain_text("it matches")
        await page.get_by_label("The mail, with its headers").fill(ROSES)
        await page.get_by_role("combobox", name="The rule").select_option("no")
        await page.get_by_role("button", name="Keep as example").click()
        await expect(rows).to_have_count(2)
        await expect(rows.last).to_contain_text("it does not match")
        await take(page, "rule-examples")
        await page.get_by_role("link", name="Bills").click()
        await page.get_by_label("Value, comparison 1").fill("roses")
        await page.get_by_role("button", name="Save rule").last.click()
        await expect(page.get_by_text("An example fails").first).to_be_visible()
        await expect(page.locator("p.caution")).to_have_count(2)
        assert page.url.endswith(f"/rules/{rule['id']}"), "where it can be mended"
        await take(page, "rule-failing-examples")
        await page.get_by_role("link", name="see its examples").first.click()
        await expect(rows.locator(".tag.bad")).to_have_count(2)
        await take(page, "rule-examples-failing")
        await page.get_by_role("button", name="Delete Roses").click()
        await expect(rows).to_have_count(1)
    assert (await api.client.get("/rules")).text.count("An example fails") == 1
