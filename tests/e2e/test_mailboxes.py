"""Mailboxes as administrators set them up: by API and by form."""

import asyncio
import smtplib

from playwright.async_api import expect

from support import browser
from support.client import letter, send
from support.sharing import Account
from support.system import System
from support.waiting import eventually

SUPPORT = "support@example.org"
ANNA = "anna@example.net"
CANARY = "Sup3r-secret-canary"
IMAP = {
    "name": "Office",
    "source": {
        "type": "imap",
        "host": "IMAP.example.net",
        "login": "office",
        "password": CANARY,
        "interval_minutes": 0,
    },
}


async def nobody_there(running: System, address: str) -> None:
    """Return when the address is refused: a change is live a moment after it was answered."""

    def code() -> int:
        with smtplib.SMTP("127.0.0.1", running.smtp_port, timeout=20) as client:
            client.helo("x")
            client.mail(ANNA)
            return client.rcpt(address)[0]

    async def refused() -> bool:
        return await asyncio.to_thread(code) == 550

    await eventually(refused, what=f"{address} is refused")


async def test_an_smtp_mailbox_takes_mail_for_its_addresses_until_it_is_gone(
    account: Account,
) -> None:
    running, api = account.system, account.api
    support = account.at("support")
    made = await api.post(
        "/mailboxes", name="Support", source={"type": "smtp", "addresses": [support.upper()]}
    )
    assert made["source"]["addresses"] == [support]
    for address in (support, account.at("support+urgent")):
        mail = letter(ANNA, address, address, message_id=f"{address}.x")
        await asyncio.to_thread(send, running, mail, ANNA, address)
    rows = await api.messages(2)
    assert {row["mailbox"] for row in rows} == {made["id"]}
    again = await api.client.post(
        "/api/v1/mailboxes",
        json={"name": "Twice", "source": {"type": "smtp", "addresses": [support]}},
    )
    assert again.status_code == 409
    changed = await api.client.patch(
        f"/api/v1/mailboxes/{made['id']}",
        json={"source": {"addresses": [account.at("help")]}, "limits": {"keep_days": 30}},
    )
    assert changed.json()["source"]["addresses"] == [account.at("help")]
    assert changed.json()["limits"]["keep_days"] == 30
    await nobody_there(running, support)
    gone = await api.client.delete(f"/api/v1/mailboxes/{made['id']}")
    assert gone.status_code == 204
    await nobody_there(running, account.at("help"))
    await api.messages(2)  # what came stays in the log


async def test_an_empty_mailbox_warns_and_a_forums_stays(account: Account) -> None:
    api = account.api
    made = await api.post("/mailboxes", name="Empty", source={"type": "smtp"})
    assert made["warnings"] == ["It has no address, so it accepts nothing."]
    await api.forum("Garden", account.at("garden"))
    box = next(one for one in (await api.get("/mailboxes"))["data"] if one["forum"])
    assert (await api.client.delete(f"/api/v1/mailboxes/{box['id']}")).status_code == 409
    kept = await api.client.patch(
        f"/api/v1/mailboxes/{box['id']}", json={"source": {"addresses": []}}
    )
    assert kept.json()["source"]["addresses"] == [account.at("garden")]


async def test_a_password_is_written_and_never_read(account: Account) -> None:
    running, api = account.system, account.api
    made = await api.post("/mailboxes", **IMAP)
    source = made["source"]
    assert (source["host"], source["port"]) == ("imap.example.net", 993)
    assert source["password"]["set"] is True
    assert source["password"]["updated_at"]
    path = f"/api/v1/mailboxes/{made['id']}"
    for change, pointer in (
        ({"host": "imap.example.com"}, "/source/password"),
        ({"login": "boss"}, "/source/password"),
        ({"tls": "none"}, "/source/password"),
        ({"verify": False}, "/source/password"),
        ({"port": 1993}, "/source/password"),
        ({"password": "••••"}, "/source/password"),
        ({"password": "a\r\nb"}, "/source/password"),
        ({"type": "pop3"}, "/source/type"),
        ({"host": ""}, "/source/host"),
        ({"interval_minutes": -1}, "/source/interval_minutes"),
        ({"tls": "perhaps"}, "/source/tls"),
        ({"folders": ["INBOX", " "]}, "/source/folders/1"),
        ({"folders": ["a\r\nLOGOUT"]}, "/source/folders/0"),
        ({"move_to": "a\r\nb"}, "/source/move_to"),
        ({"move_to": "INBOX"}, "/source/move_to"),
        ({"move_to": "Old", "delete_after": True}, "/source/move_to"),
        ({"move_to": "Old", "folders": ["INBOX", "Old"]}, "/source/move_to"),
        ({"delete_after_days": 3}, "/source/delete_after_days"),
    ):
        answer = await api.client.patch(path, json={"source": change})
        assert answer.status_code == 422, change
        assert pointer in [one["pointer"] for one in answer.json()["errors"]], answer.text
    kept = await api.client.patch(path, json={"name": "Renamed", "source": {"delete_after": True}})
    assert kept.status_code == 200
    assert kept.json()["source"]["password"] == source["password"]
    afterwards = {
        "delete_after": False,
        "mark_read": True,
        "move_to": "Größe",
        "folders": ["\\Junk"],
    }
    moved = await api.client.patch(path, json={"source": afterwards})
    assert {name: moved.json()["source"][name] for name in afterwards} == afterwards, moved.text
    moved = await api.client.patch(
        path, json={"source": {"host": "imap.example.com", "password": CANARY + "2"}}
    )
    assert moved.json()["source"]["host"] == "imap.example.com"
    texts = [made, kept.json(), moved.json(), await api.get("/mailboxes")]
    assert CANARY not in str(texts)
    page = await api.client.get(f"/mailboxes/{made['id']}")
    assert CANARY not in page.text
    logs = "".join(path.read_text() for path in (running.home.path / "log").glob("*.log"))
    assert CANARY not in logs


async def test_receive_now_is_for_mailboxes_that_fetch(account: Account) -> None:
    api = account.api
    smtp = await api.post("/mailboxes", name="S", source={"type": "smtp"})
    answer = await api.client.post(f"/api/v1/mailboxes/{smtp['id']}/receive")
    assert answer.status_code == 409
    assert (await api.client.post("/api/v1/mailboxes/mbx_none/receive")).status_code == 404


@browser.NEEDED
async def test_the_form_warns_asks_again_and_leads_to_a_rule(account: Account) -> None:
    running, api = account.system, account.api
    async with browser.chromium() as chrome:
        context = await chrome.new_context(java_script_enabled=False)
        page = await context.new_page()
        await browser.sign_in(page, running, "/mailboxes", account)
        await page.get_by_role("link", name="New mailbox").click()
        await page.get_by_role("link", name="IMAP").click()
        await page.get_by_label("Name", exact=True).fill("Office")
        await page.get_by_label("Server", exact=True).fill("imap.example.net")
        await page.get_by_label("Login").fill("office")
        await page.get_by_label("Check every").fill("five")
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.get_by_role("alert")).to_contain_text("interval minutes")
        await page.get_by_label("Check every").fill("")
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.get_by_role("alert")).to_contain_text("a password is needed")
        await page.get_by_label("Password", exact=True).fill(CANARY)
        await page.get_by_label("Verify the server's certificate").uncheck()
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.get_by_text("certificate is not verified")).to_be_visible()
        await expect(page.get_by_text("only by hand (")).to_be_visible()
        await expect(page.get_by_label("Password")).to_have_value("")
        await page.get_by_label("Server", exact=True).fill("imap.example.com")
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.get_by_role("alert")).to_contain_text("enter the password again")
        await page.get_by_label("Password", exact=True).fill(CANARY)
        await page.get_by_role("button", name="Save and add rule").click()
        await expect(page.get_by_role("heading", name="New rule")).to_be_visible()
        await expect(page.locator("select[name=mailbox]")).to_have_value(
            (await api.get("/mailboxes"))["data"][0]["id"]
        )
