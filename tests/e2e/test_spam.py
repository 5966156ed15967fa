"""Mail rated: lists, the own servers' fields, and a filter that people teach; quarantine."""

import asyncio
import itertools
from typing import Any

from playwright.async_api import expect

from support import browser
from support.client import letter, send
from support.pictures import DESK, take
from support.sharing import Account
from support.waiting import eventually

ANNA, ROGUE = "anna@example.net", "rogue@example.com"
WANTED = "Minutes of the garden committee, with tomatoes and the watering plan"
UNWANTED = "Cheap pills, buy now, free casino money, click http://pills.example/buy"
TAUGHT = 10
"""So many of a kind the filter wants before it says anything."""


async def write(account: Account, sender: str, subject: str, text: str, **fields: str) -> None:
    mail = letter(
        sender, account.at("office"), subject, text, message_id=f"{subject}@x".replace(" ", ".")
    )
    for name, value in fields.items():
        mail[name.replace("_", "-")] = value
    await asyncio.to_thread(send, account.system, mail, sender, account.at("office"))


async def by_subject(account: Account, subject: str, query: str = "") -> dict[str, Any]:
    async def look() -> dict[str, Any]:
        found = (await account.api.get(f"/messages?limit=200{query}"))["data"]
        rows = [row for row in found if row["subject"] == subject]
        assert rows, [row["subject"] for row in found]
        return rows[0]

    return await eventually(look, what=f"the mail {subject!r}")


async def rating(account: Account, row: dict[str, Any]) -> dict[str, Any]:
    return (await account.api.get(f"/messages/{row['id']}/trace"))["decision"]["rating"]


async def taught(account: Account) -> None:
    """Ten of each kind, marked and learnt."""
    for number in range(TAUGHT):
        await write(account, ANNA, f"Committee {number}", f"{WANTED} {number}")
        await write(account, ROGUE, f"Pills {number}", f"{UNWANTED} {number}")
    rows = await account.api.messages(2 * TAUGHT)
    for mark, word in (("spam", "Pills"), ("not_spam", "Committee")):
        names = [row["id"] for row in rows if row["subject"].startswith(word)]
        done = await account.api.post("/messages/marks", messages=names, mark=mark, teach=True)
        assert len(done["messages"]) == TAUGHT


async def rated(
    account: Account, subject: str, sender: str, text: str
) -> tuple[dict[str, Any], int]:
    """A mail whose rating the filter has a say in; it takes a moment until it follows."""
    number = 0

    async def look() -> tuple[dict[str, Any], int]:
        nonlocal number
        number += 1
        await write(account, sender, f"{subject} {number}", f"{text} {number}")
        row = await by_subject(account, f"{subject} {number}")
        found = await rating(account, row)
        assert found["learnt_spam"] == found["learnt_ham"] == TAUGHT
        return row, found["score"]

    return await eventually(look, what="the filter knows what it was taught")


async def test_the_filter_learns_and_says_why(account: Account) -> None:
    api = account.api
    await api.post(
        "/mailboxes", name="Office", source={"type": "smtp", "addresses": [account.at("office")]}
    )
    await write(account, ROGUE, "First", UNWANTED)
    first = await by_subject(account, "First")
    assert first["spam_rating"] is None
    assert (await rating(account, first))["score"] is None
    assert await api.post("/messages/marks", messages=[first["id"]], mark="delete")
    await taught(account)
    bad, score = await rated(account, "Casino", ROGUE, UNWANTED)
    assert score > 90
    assert bad["spam"] is True
    found = await rating(account, bad)
    assert any("pills" in one["words"] for one in found["reasons"])
    assert {one["source"] for one in found["reasons"]} == {"filter"}
    assert found["model"] > 0
    good, score = await rated(account, "Compost", ANNA, WANTED)
    assert score < 10
    assert good["spam"] is None
    settings = await api.get("/spam-filter")
    assert (settings["learnt_spam"], settings["learnt_ham"]) == (TAUGHT, TAUGHT)

    # All of it is taken back: the filter knows nothing again.
    asked = {"matching": {"search": "pills"}, "mark": "forget"}
    answer = await api.post("/messages/marks/matching", **asked)
    assert answer["marked"] == TAUGHT

    tries = itertools.count(1)

    async def forgotten() -> bool:
        await write(account, ROGUE, f"Again {next(tries)}", UNWANTED)
        rows = (await api.get("/messages?search=again&limit=1"))["data"]
        assert rows
        assert (await rating(account, rows[0]))["learnt_spam"] == 0
        return True

    await eventually(forgotten, what="what was taught is forgotten")
    assert (await api.get("/spam-filter"))["learnt_spam"] == 0


async def test_lists_and_the_own_servers_fields(account: Account) -> None:
    api = account.api
    await api.post(
        "/mailboxes", name="Office", source={"type": "smtp", "addresses": [account.at("office")]}
    )
    wrong = await api.client.patch("/api/v1/spam-filter", json={"allowed": ["not an address@"]})
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["pointer"] == "/allowed/0"
    wrong = await api.client.patch("/api/v1/spam-filter", json={"mark_at": 90, "quarantine_at": 50})
    assert wrong.status_code == 422
    changed = await api.client.patch(
        "/api/v1/spam-filter",
        json={
            "allowed": ["Example.NET"], "blocked": [ROGUE.upper()],
            "trusted_headers": ["X-Spam-Status"],
        },
    )  # fmt: skip
    assert changed.json()["blocked"] == [ROGUE]
    await write(account, ROGUE, "Blocked", WANTED)
    await write(account, ANNA, "Allowed", UNWANTED, X_Spam_Status="Yes, score=20 required=5.0")
    await write(account, "c@example.org", "Theirs", "x", X_Spam_Status="Yes, score=6 required=5.0")
    await write(account, "c@example.org", "Not said", "x", X_Spam_Flag="YES")
    scores = {
        subject: (await by_subject(account, subject))["spam_rating"]
        for subject in ("Blocked", "Allowed", "Theirs", "Not said")
    }
    assert scores == {"Blocked": 100, "Allowed": 0, "Theirs": 100, "Not said": None}
    found = await rating(account, await by_subject(account, "Blocked"))
    assert found["reasons"] == [{"source": "list", "words": f"blocked: {ROGUE}", "weight": 10.0}]
    moved = await api.post("/spam-filter/senders", list="allowed", entry=ROGUE)
    assert (moved["blocked"], ROGUE in moved["allowed"]) == ([], True)


@browser.NEEDED
async def test_quarantine_is_looked_through_and_released(account: Account) -> None:
    api = account.api
    forum = await api.post("/forums", name="Garden", address=account.at("garden"))
    changed = await api.client.patch(
        "/api/v1/spam-filter", json={"quarantine_at": 95, "quarantine_days": 14, "blocked": [ROGUE]}
    )
    assert changed.status_code == 200
    mail = letter(
        ROGUE, account.at("garden"), "Seeds to give away", "Who wants some?", message_id="1@x"
    )
    await asyncio.to_thread(send, account.system, mail, ROGUE, account.at("garden"))
    apart = await by_subject(account, "Seeds to give away", "&quarantine=true")
    detail = await api.get(f"/messages/{apart['id']}/trace")
    assert [one["kind"] for one in detail["decision"]["withheld"]] == ["post_to_forum"]
    assert (await api.get("/messages"))["data"] == []
    async with browser.chromium() as chrome:
        page = await chrome.new_page(viewport=DESK)
        page.set_default_timeout(20_000)
        await browser.sign_in(page, account.system, "/spam", account)
        await expect(page.get_by_role("link", name="Quarantine (1)")).to_be_visible()
        await expect(page.get_by_label("Always spam")).to_have_value(ROGUE)
        await take(page, "spam-filter")
        await page.get_by_label("Keep in quarantine from a rating of").fill("20")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_text("what is kept apart should be spam")).to_be_visible()
        await page.get_by_role("link", name="Quarantine (1)").click()
        await expect(page.get_by_text("until 20")).to_be_visible()
        await take(page, "quarantine")
        await page.get_by_role("link", name="Seeds to give away").click()
        await page.get_by_text("What weighed").click()
        await expect(page.get_by_role("cell", name=f"blocked: {ROGUE}")).to_be_visible()
        await take(page, "message-rated")
        await page.get_by_role("button", name="Release from quarantine").click()
        await expect(page.get_by_text("taught as wanted")).to_be_visible()

    async def posted() -> bool:
        topics = (await api.get(f"/forums/{forum['id']}/topics"))["data"]
        assert [one["title"] for one in topics] == ["Seeds to give away"]
        return True

    await eventually(posted, what="it is posted when it is released")
    row = (await api.messages(1))[0]
    assert (row["spam"], row["trained"], row["quarantined_until"]) == (False, False, None)
