"""Rules taken out of one account and into another, and into Sieve's own compiler."""

import asyncio
import shutil
import subprocess

import pytest
from playwright.async_api import expect

from support import browser
from support.pictures import DESK, take
from support.sharing import Account

CONDITION = {
    "kind": "group", "mode": "any", "of": [
        {"kind": "test", "field": "subject", "operator": "contains", "values": ["invoice", "bill"]},
        {"kind": "test", "field": "to", "operator": "equals", "values": ["x@example.org"]},
    ],
}  # fmt: skip
ACTIONS = [
    {"kind": "add_tag", "tag": "invoice"},
    {"kind": "mark_read"},
    {"kind": "set_spam_rating", "rating": 3},
]


async def test_out_and_in_again(account: Account, tmp_path) -> None:
    api = account.api
    await api.post("/rules", name="Bills", condition=CONDITION, actions=ACTIONS)
    out = await api.get("/rules/export")
    looked = await api.post("/rules/import", format="json", text=out["text"], dry_run=True)
    assert (len(looked["rules"]), looked["made"]) == (1, [])
    made = (await api.post("/rules/import", format="json", text=out["text"]))["made"]
    assert [one["name"] for one in made] == ["Bills"]
    names = [one["name"] for one in (await api.get("/rules"))["data"]]
    assert names == ["Bills", "Bills"]
    wrong = await api.client.post("/api/v1/rules/import", json={"format": "json", "text": "x"})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/text")
    empty = out["text"].replace('"tag": "invoice"', '"tag": ""')
    bad = await api.client.post("/api/v1/rules/import", json={"format": "json", "text": empty})
    assert (bad.status_code, "Rule 1 (Bills)" in bad.json()["detail"]) == (422, True)
    assert len((await api.get("/rules"))["data"]) == 2, "nothing was made"
    sieve = await api.get("/rules/export?format=sieve")
    assert [one["words"] for one in sieve["left_out"]] == [
        "Sieve has no words for the action set_spam_rating"
    ] * 2
    back = await api.post("/rules/import", format="sieve", text=sieve["text"], dry_run=True)
    assert [one["name"] for one in back["rules"]] == ["Bills", "Bills"]
    broken = await api.client.post("/api/v1/rules/import", json={"format": "sieve", "text": "if"})
    assert (broken.status_code, "line 1" in broken.json()["errors"][0]["detail"]) == (422, True)
    if shutil.which("sievec") is None:
        pytest.skip("the script was made; compiling it needs sievec: apt-get install dovecot-sieve")
    script = tmp_path / "rules.sieve"
    script.write_text(sieve["text"], newline="")
    done = await asyncio.to_thread(
        subprocess.run, ["sievec", str(script)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@browser.NEEDED
async def test_on_the_page(account: Account) -> None:
    api = account.api
    await api.post("/rules", name="Bills", condition=CONDITION, actions=ACTIONS)
    async with browser.chromium() as chrome:
        page = await chrome.new_page(viewport=DESK)
        page.set_default_timeout(20_000)
        await browser.sign_in(page, account.system, "/rules", account)
        await page.get_by_role("link", name="In and out").click()
        await page.get_by_role("link", name="Sieve").click()
        await expect(page.get_by_text("Sieve has no words for")).to_be_visible()
        await take(page, "rules-elsewhere")
        await page.get_by_role("link", name="JSON", exact=True).click()
        text = await page.locator("textarea[readonly]").input_value()
        await page.get_by_label("Its text").fill(text.replace("Bills", "Carried"))
        await page.get_by_role("button", name="Look at it").click()
        await expect(page.get_by_text("It means one rule; none was made.")).to_be_visible()
        await page.get_by_role("button", name="Make these rules").click()
        await expect(page.get_by_text("One rule was made.")).to_be_visible()
    assert {one["name"] for one in (await api.get("/rules"))["data"]} == {"Bills", "Carried"}
