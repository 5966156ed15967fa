"""Mailboxes that keep no text in the log, or no raw mail; mails that wait keep theirs."""

import asyncio
import json
from typing import Any

from postroom_contract import subjects
from support.client import letter, send
from support.operator import broker, database
from support.sharing import Account
from support.waiting import eventually

SECRET = "the cucumbers are hidden in the shed"
ROGUE = "rogue@example.org"
EMPTIED_SECONDS = 30.0
"""Two looks of the api, and what they take."""


async def mailbox(account: Account, name: str, **privacy: bool) -> dict[str, Any]:
    source = {"type": "smtp", "addresses": [account.at(name)]}
    more = {"privacy": privacy} if privacy else {}
    made: dict[str, Any] = await account.api.post("/mailboxes", name=name, source=source, **more)
    return made


async def write(
    account: Account, name: str, subject: str, sender: str = "", text: str = SECRET
) -> dict[str, Any]:
    """Send a mail to one of the mailboxes; its row."""
    sender = sender or account.person("anna")
    mail = letter(sender, account.at(name), subject, f"{text}\n", message_id=f"{subject}@x")
    mail.add_attachment(b"seeds", maintype="text", subtype="csv", filename="seeds.csv")
    await asyncio.to_thread(send, account.system, mail, sender, account.at(name))

    async def row() -> Any:
        for apart in ("", "&quarantine=true"):
            found = (await account.api.get(f"/messages?limit=200{apart}"))["data"]
            for one in found:
                if one["subject"] == subject:
                    return one
        return None

    return dict(await eventually(row, what=f"{subject} in the log"))


async def log_of(account: Account, row: dict[str, Any]) -> str:
    """All that the log has of a mail."""
    async with database(account.system) as rows:
        said = await rows.fetchval(
            "SELECT m::text || coalesce((SELECT string_agg(c::text, '') FROM config.webhook_call c"
            " WHERE c.mail = m.id), '') FROM config.message m WHERE id = $1",
            row["id"],
        )
    return str(said)


async def event_of(account: Account, row: dict[str, Any]) -> bytes:
    async with database(account.system) as rows, broker(account.system) as bus:
        owner = await rows.fetchval("SELECT account FROM config.message WHERE id = $1", row["id"])
        where = subjects.event(owner, row["mailbox"], "mail.sorted", row["id"])
        found = await bus.last("EVENTS", where)
    assert found is not None
    return found.data


async def found_by(account: Account, words: str) -> list[str]:
    return [one["subject"] for one in (await account.api.get(f"/messages?search={words}"))["data"]]


async def raw(account: Account, row: dict[str, Any]) -> int:
    answer = await account.api.client.get(f"/api/v1/messages/{row['id']}/raw")
    return answer.status_code


async def rule(account: Account, box: dict[str, Any], *actions: dict[str, Any]) -> None:
    await account.api.post(
        "/rules",
        mailbox=box["id"],
        name="Secrets",
        condition={
            "kind": "test", "field": "body", "operator": "regex", "values": [r"(cu\w+) are"],
        },
        actions=list(actions),
    )  # fmt: skip


async def test_no_text_comes_into_the_log(account: Account) -> None:
    api = account.api
    box = await mailbox(account, "silent", index_text=False)
    assert box["privacy"] == {"index_text": False, "keep_raw": True}
    await rule(account, box, {"kind": "add_tag", "tag": "seen {1}"})
    row = await write(account, "silent", "Shed")
    event = await event_of(account, row)
    assert b"Shed" in event
    assert b'"matched":true' in event, "rules look at the text all the same"
    for said in (await log_of(account, row), event.decode()):
        assert "cucumbers" not in said
        assert "in the shed" not in said
    assert row["tags"] == ["seen"]
    assert (await found_by(account, "cucumbers"), await found_by(account, "shed")) == (
        [], ["Shed"],
    )  # fmt: skip
    for path in ("", "/trace", "/story"):
        assert "cucumbers" not in (await api.client.get(f"/api/v1/messages/{row['id']}{path}")).text
    page = await api.client.get(f"/messages/{row['id']}")
    assert "cucumbers" not in page.text
    body = await api.client.get(f"/api/v1/messages/{row['id']}/body")
    assert SECRET in body.text, "the raw mail is there and read when somebody looks"


async def test_what_is_there_is_emptied(account: Account) -> None:
    api = account.api
    box, other = await mailbox(account, "garden"), await mailbox(account, "house")
    await rule(account, box, {"kind": "mark_read"})
    row, kept = await write(account, "garden", "One"), await write(account, "house", "Two")
    assert sorted(await found_by(account, "cucumbers")) == ["One", "Two"]
    assert "cucumbers" in await log_of(account, row)
    path = f"/api/v1/mailboxes/{box['id']}"
    changed = await api.client.patch(path, json={"privacy": {"index_text": False}})
    assert changed.status_code == 200, changed.text
    assert changed.json()["privacy"] == {"index_text": False, "keep_raw": True}

    async def emptied() -> bool:
        return "cucumbers" not in await log_of(account, row)

    await eventually(emptied, EMPTIED_SECONDS, what="the text is taken out of the log")
    assert await found_by(account, "cucumbers") == ["Two"]
    assert await found_by(account, "one") == ["One"]
    assert "cucumbers" in await log_of(account, kept)
    assert await raw(account, row) == 200
    audit = (await api.get("/audit?action=mailbox.changed"))["data"][0]
    assert audit["detail"] == {"index_text": [True, False]}
    # The next mail comes in without, and with it when it is wanted again.
    assert b"cucumbers" not in await event_of(account, await write(account, "garden", "Three"))
    back = await api.client.patch(path, json={"privacy": {"index_text": True}})
    assert back.status_code == 200

    async def said_again() -> bool:
        said_again.number += 1
        mail = await write(account, "garden", f"Again {said_again.number}")
        return b"cucumbers" in await event_of(account, mail)

    said_again.number = 0  # rules hear of it a moment later
    await eventually(said_again, what="the text is in events again")
    wrong = await api.client.patch(path, json={"privacy": {"keep_raw": "no"}})
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["pointer"] == "/privacy/keep_raw"
    wrong = await api.client.patch(path, json={"privacy": {"keep_text": False}})
    assert wrong.status_code == 422
    assert (await api.get(f"/mailboxes/{other['id']}"))["privacy"] == {
        "index_text": True, "keep_raw": True,
    }  # fmt: skip


async def test_raw_mail_goes_when_all_is_done(account: Account) -> None:
    api, friend = account.api, account.person("friend")
    box = await mailbox(account, "office")
    await rule(account, box, {"kind": "forward", "to": friend})
    await api.client.patch(
        "/api/v1/spam-filter", json={"quarantine_at": 95, "quarantine_days": 14, "blocked": [ROGUE]}
    )
    before = await write(account, "office", "Before")
    aside = await write(account, "office", "Aside")
    async with database(account.system) as rows:
        # A command about it was set aside: tried again, it would need the mail.
        await rows.execute(
            "INSERT INTO config.set_aside (id, account, service, subject, reason, deliveries,"
            " sequence, stored_at, original_stream, original_sequence, mail)"
            " SELECT 'asd_' || id, account, 'smtp', 'x', 'x', 1, 1, now(), 'COMMANDS', 1, id"
            " FROM config.message WHERE id = $1",
            aside["id"],
        )
    other = await mailbox(account, "house")
    kept = await write(account, "house", "Kept")
    path = f"/api/v1/mailboxes/{box['id']}"
    changed = await api.client.patch(path, json={"privacy": {"keep_raw": False}})
    assert changed.json()["warnings"] == [
        "Raw mail is not kept: text and attachments go once a mail is decided."
    ]
    after = await write(account, "office", "After")
    apart = await write(account, "office", "Apart", ROGUE)
    assert apart["quarantined_until"]

    async def gone(*mails: dict[str, Any]) -> bool:
        return [await raw(account, one) for one in mails] == [410] * len(mails)

    await eventually(lambda: gone(before, after), EMPTIED_SECONDS, what="raw mail is gone")
    for waiting in (apart, aside, kept):
        assert await raw(account, waiting) == 200
    for path_ in ("/body", "/attachments/1"):
        answer = await api.client.get(f"/api/v1/messages/{after['id']}{path_}")
        assert answer.status_code == 410
    page = await api.client.get(f"/messages/{after['id']}/text")
    assert "no longer kept" in page.text
    assert sorted(await found_by(account, "cucumbers")) == ["After", "Aside", "Before", "Kept"]

    # Released, it is sent on; then its raw mail goes as well.
    await api.post("/messages/marks", messages=[apart["id"]], mark="release")
    await eventually(lambda: gone(apart), EMPTIED_SECONDS, what="the released mail is gone")

    async def delivered() -> bool:
        got = account.sink.to(friend)
        said = sorted(
            one for one in ("Before", "After", "Apart", "Aside")
            if any(f"Subject: {one}".encode() in mail.raw for mail in got)
        )  # fmt: skip
        assert said == ["After", "Apart", "Aside", "Before"], said
        assert all(SECRET.encode() in mail.raw for mail in got)
        return True

    await eventually(delivered, what="all were sent on")
    failed = (await api.get("/set-aside"))["data"]
    assert [one["id"] for one in failed if one["reason"] != "x"] == [], json.dumps(failed)
    assert (await api.get(f"/mailboxes/{other['id']}"))["warnings"] == []


async def test_the_form_has_both(account: Account) -> None:
    api = account.api
    box = await mailbox(account, "form")
    page = await api.client.get(f"/mailboxes/{box['id']}")
    assert 'name="no_text" value="1">' in page.text
    form = {
        "name": "form",
        "type": "smtp",
        "tls": "implicit",
        "active": "1",
        "addresses": account.at("form"),
    }
    saved = await api.client.post(f"/mailboxes/{box['id']}", data={**form, "no_raw": "1"})
    assert saved.status_code == 303, saved.text
    found = await api.get(f"/mailboxes/{box['id']}")
    assert found["privacy"] == {"index_text": True, "keep_raw": False}
    page = await api.client.get(f"/mailboxes/{box['id']}")
    assert 'name="no_raw" value="1" checked>' in page.text
    assert "Raw mail is not kept" in page.text
