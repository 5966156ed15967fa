"""The end of a mail: deleted, brought back, gone after days, or erased at once with what remains."""

import asyncio
from typing import Any

from playwright.async_api import expect

from postroom_contract import subjects
from support import browser
from support.client import letter, send
from support.operator import broker, database
from support.pictures import DESK, take
from support.sharing import Account
from support.waiting import eventually

ANNA, BERT = "anna@example.net", "bert@example.com"
SECRET = "the cucumbers are hidden in the shed"


async def arrive(account: Account, *senders: str) -> list[dict[str, Any]]:
    """A mail of each sender, the newest first."""
    api, box = account.api, account.at("support")
    await api.post("/mailboxes", name="Support", source={"type": "smtp", "addresses": [box]})
    for number, sender in enumerate(senders):
        mail = letter(sender, box, f"Secret {number}", f"{SECRET}\n", message_id=f"{number}@x")
        await asyncio.to_thread(send, account.system, mail, sender, box)
    return await api.messages(len(senders))


async def gone(account: Account, row: dict[str, Any]) -> None:
    """Nothing of what it said is left in the log or the store; a row without it is."""
    api = account.api
    listed = (await api.get("/messages?deleted=true&limit=200"))["data"]
    (kept,) = [one for one in listed if one["id"] == row["id"]]
    assert kept["erased_at"]
    assert (kept["mailbox"], kept["size"]) == (row["mailbox"], row["size"])
    for path in ("", "/trace", "/story"):
        said = (await api.client.get(f"/api/v1/messages/{row['id']}{path}")).text
        assert "Secret" not in said
        assert "cucumbers" not in said
        assert row["from_address"] not in said
    for path in ("/raw", "/body", "/attachments/1"):
        answer = await api.client.get(f"/api/v1/messages/{row['id']}{path}")
        assert answer.status_code == 410, path
    page = await api.client.get(f"/messages/{row['id']}/text")
    assert page.status_code == 200
    async with database(account.system) as rows, broker(account.system) as bus:
        left: Any = await rows.fetchrow(
            "SELECT m::text AS said, stream, sequence FROM config.message m WHERE id = $1",
            row["id"],
        )
        assert "Secret" not in left["said"]
        assert "cucumbers" not in left["said"]
        at = f"$JS.API.STREAM.MSG.GET.{left['stream']}"
        answer = await bus.client.request(at, b'{"seq": %d}' % left["sequence"])
        assert b'"error"' in answer.data, "the raw mail is still in the store"


async def test_one_mail_is_erased_at_once(account: Account) -> None:
    api = account.api
    row, other = await arrive(account, ANNA, BERT)
    await api.post("/messages/marks", messages=[row["id"]], mark="spam", teach=True)

    async def taught() -> bool:
        async with broker(account.system) as bus:
            found = await bus.last("TRAIN", subjects.train(account_of(row), row["id"]))
            return found is not None and b'"spam":true' in found.data

    async with database(account.system) as rows:
        owner = await rows.fetchval("SELECT account FROM config.message WHERE id = $1", row["id"])

    def account_of(_row: Any) -> str:
        return str(owner)

    await eventually(taught, what="the training")
    answer = await api.client.delete(f"/api/v1/messages/{row['id']}?erase=true")
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["mails"], said["waiting"]) == (1, 0)
    remains = {one["what"]: one for one in said["remains"]}
    assert {"events", "audit", "elsewhere"} <= set(remains)
    assert remains["events"]["until"]
    await gone(account, row)

    async def unlearnt() -> bool:
        async with broker(account.system) as bus:
            found = await bus.last("TRAIN", subjects.train(str(owner), row["id"]))
            return found is not None and b'"spam":null' in found.data

    await eventually(unlearnt, what="the training taken back")
    again = await api.client.delete(f"/api/v1/messages/{row['id']}?erase=true")
    assert again.status_code == 404
    brought = await api.client.post(f"/api/v1/messages/{row['id']}/restore")
    assert brought.status_code == 404
    assert SECRET.encode() in (await api.client.get(f"/api/v1/messages/{other['id']}/raw")).content


async def test_deleted_mail_goes_after_a_week_and_no_sooner(account: Account) -> None:
    api = account.api
    old, young, third = await arrive(account, ANNA, BERT, BERT)
    for row in (old, young):
        answer = await api.client.delete(f"/api/v1/messages/{row['id']}")
        assert answer.status_code == 200
    async with database(account.system) as rows:
        for row, age in ((old, "7 days 1 minute"), (young, "6 days 23 hours")):
            await rows.execute(
                "UPDATE config.message SET deleted_at = now() - $2::text::interval WHERE id = $1",
                row["id"], age,
            )  # fmt: skip
        # What somebody set aside points at waits, whatever its age.
        await rows.execute(
            "UPDATE config.message SET deleted_at = now() - interval '8 days' WHERE id = $1",
            third["id"],
        )
        await rows.execute(
            "INSERT INTO config.set_aside (id, account, service, subject, reason, deliveries,"
            " sequence, stored_at, original_stream, original_sequence)"
            " SELECT 'asd_' || id, account, 'forum-bridge', 'x', 'x', 1, 1, now(), stream, sequence"
            " FROM config.message WHERE id = $1",
            third["id"],
        )
    asked = await api.post("/erasures", address="nobody@example.net")  # wakes who erases
    assert asked["mails"] == 0

    async def erased() -> Any:
        return (await api.get(f"/messages/{old['id']}"))["message"]["erased_at"]

    await eventually(erased, what="the old mail is gone")
    await gone(account, old)
    for row in (young, third):
        kept = await api.client.get(f"/api/v1/messages/{row['id']}/raw")
        assert SECRET.encode() in kept.content
    back = await api.client.post(f"/api/v1/messages/{young['id']}/restore")
    assert back.status_code == 200


async def test_a_person_is_erased(account: Account) -> None:
    api = account.api
    mails = await arrive(account, ANNA, BERT, ANNA)
    answer = await api.post("/erasures", address="Anna@Example.NET")
    assert (answer["mails"], answer["waiting"]) == (2, 0)
    for row in mails:
        if row["from_address"] == ANNA:
            await gone(account, row)
        else:
            assert (await api.get(f"/messages/{row['id']}"))["message"]["subject"] == "Secret 1"
    audit = (await api.get("/audit?action=person.erased"))["data"]
    assert audit[0]["about"].startswith("sha256:")
    assert audit[0]["detail"] == {"mails": 2}
    assert ANNA not in str(audit)


@browser.NEEDED
async def test_on_the_page(account: Account) -> None:
    row, _ = await arrive(account, ANNA, BERT)
    async with browser.chromium() as chrome:
        page = await (await chrome.new_context(viewport=DESK)).new_page()
        page.set_default_timeout(20_000)
        await browser.sign_in(page, account.system, f"/messages/{row['id']}", account)
        await page.get_by_text("Erase for good…").click()
        await take(page, "message-erase")
        await page.get_by_role("button", name="Erase this mail").click()
        await expect(page).to_have_url(f"{account.system.base_url}/messages/{row['id']}")
        await page.get_by_label("I know that this cannot be undone.").check()
        await page.get_by_role("button", name="Erase this mail").click()
        await expect(page.get_by_role("status")).to_contain_text("One mail is erased.")
        await take(page, "erasures")
        await page.goto(f"{account.system.base_url}/messages/{row['id']}")
        await expect(page.get_by_text("nothing of what it said is here any more")).to_be_visible()
        await take(page, "message-erased")
        await page.goto(f"{account.system.base_url}/messages?deleted=true")
        await expect(page.get_by_text("erased", exact=True)).to_be_visible()
        await page.get_by_role("link", name="Erase mail of a person").click()
        await page.get_by_label("E-mail address").fill(ANNA)
        await page.get_by_label("I know that this cannot be undone.").check()
        await page.get_by_role("button", name="Erase", exact=True).click()
        await expect(page.get_by_role("status")).to_contain_text("One mail is erased.")
