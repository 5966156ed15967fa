"""A deleted mailbox is gone at once, and can be brought back as it was for seven days."""

import asyncio
import smtplib

import asyncpg
import pytest
from playwright.async_api import expect

from postroom import services
from postroom.embedded import logins
from support import browser
from support.client import Api, letter, send
from support.pictures import DESK, take
from support.sharing import Account
from support.system import System
from support.waiting import eventually

SUPPORT, ANNA = "support@example.org", "anna@example.net"


def mail(number: int) -> object:
    return letter(ANNA, SUPPORT, f"Mail {number}", message_id=f"{number}@x")


async def test_what_was_deleted_comes_back_as_it_was(account: Account) -> None:
    running, api = account.system, account.api
    support = account.at("support")
    box = await api.post(
        "/mailboxes", name="Support", source={"type": "smtp", "addresses": [support]}
    )
    await api.post(
        "/rules", name="Loud", mailbox=box["id"],
        condition={"kind": "group", "mode": "all", "of": []},
        actions=[{"kind": "add_tag", "tag": "loud"}],
    )  # fmt: skip
    await asyncio.to_thread(send, running, mail(1), ANNA, support)  # type: ignore[arg-type]  # an EmailMessage
    await api.messages(1)
    assert (await api.client.delete(f"/api/v1/mailboxes/{box['id']}")).status_code == 204
    assert (await api.get("/mailboxes"))["data"] == []
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        await asyncio.to_thread(send, running, mail(2), ANNA, support)  # type: ignore[arg-type]  # as above
    (one,) = (await api.get("/deleted-mailboxes"))["data"]
    assert (one["id"], one["name"]) == (box["id"], "Support")

    back = await api.post(f"/deleted-mailboxes/{box['id']}/restore")
    changing = {"version", "last_check", "mails", "bytes", "unread"}
    assert {k: v for k, v in back.items() if k not in changing} == {
        k: v for k, v in box.items() if k not in changing
    }
    assert (back["mails"], back["unread"]) == (1, 1), "its mail is counted again"
    assert [rule["name"] for rule in (await api.get("/rules"))["data"]] == ["Loud"]

    async def taken() -> bool:
        await asyncio.to_thread(send, running, mail(3), ANNA, support)  # type: ignore[arg-type]  # as above
        return True

    await eventually(taken, what="its address is taken again")
    newest = (await api.messages(2))[0]
    assert (newest["subject"], newest["tags"]) == ("Mail 3", ["loud"])
    again = await api.client.post(f"/api/v1/deleted-mailboxes/{box['id']}/restore")
    assert again.status_code == 404


async def test_what_is_taken_or_too_old_stays_away(running: System, api: Api) -> None:
    source = {"type": "smtp", "addresses": [SUPPORT]}
    first = await api.post("/mailboxes", name="First", source=source)
    await api.client.delete(f"/api/v1/mailboxes/{first['id']}")
    second = await api.post("/mailboxes", name="Second", source=source)
    where = f"/api/v1/deleted-mailboxes/{first['id']}/restore"
    refused = await api.client.post(where)
    assert (refused.status_code, refused.json()["code"]) == (409, "taken")
    await api.client.delete(f"/api/v1/mailboxes/{second['id']}")
    url = (running.home.path / "secrets" / services.url_file(logins.OWNER)).read_text().strip()
    connection = await asyncpg.connect(url)
    await connection.execute("ALTER TABLE config.deleted_mailbox NO FORCE ROW LEVEL SECURITY")
    await connection.execute(
        "UPDATE config.deleted_mailbox SET deleted_at = now() - interval '8 days'"
        " WHERE mailbox = $1",
        first["id"],
    )
    await connection.close()
    assert (await api.client.post(where)).status_code == 404
    assert [one["name"] for one in (await api.get("/deleted-mailboxes"))["data"]] == ["Second"]


@browser.NEEDED
async def test_an_undo_on_the_page(account: Account) -> None:
    running, api = account.system, account.api
    support = account.at("support")
    source = {"type": "smtp", "addresses": [support]}
    for name in ("Support", "Sales"):
        await api.post(
            "/mailboxes", name=name, source=source if name == "Support" else {"type": "smtp"}
        )
    async with browser.chromium() as chrome:
        page = await chrome.new_page(viewport=DESK)
        page.set_default_timeout(20_000)
        await browser.sign_in(page, running, "/mailboxes", account)
        await page.get_by_role("link", name="Support").click()
        await page.get_by_role("button", name="Delete mailbox “Support”").click()
        await expect(page.get_by_text("The mailbox “Support” is deleted.")).to_be_visible()
        await take(page, "mailbox-undo")
        await page.get_by_role("button", name="Undo").click()
        await expect(page.get_by_role("heading", name="Support")).to_be_visible()
        await expect(page.get_by_label("Addresses, one a line")).to_have_value(support)
        await page.get_by_role("button", name="Delete mailbox “Support”").click()
        await page.get_by_role("link", name="Deleted", exact=True).click()
        await expect(page.get_by_role("button", name="Bring back Support")).to_be_visible()
        await take(page, "mailboxes-deleted")
        await page.get_by_role("button", name="Bring back Support").click()
        await expect(page.get_by_role("heading", name="Support")).to_be_visible()
