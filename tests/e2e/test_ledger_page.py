"""A mailbox whose mail is moved after receiving, by its form; and its ledger, in the browser."""

import pytest
from playwright.async_api import expect

from support import browser, dovecot, imap_user
from support.client import letter, wire
from support.dovecot import PASSWORD, USER, Dovecot
from support.pictures import DESK, take
from support.sharing import Account
from support.waiting import eventually

pytestmark = pytest.mark.skipif(
    dovecot.missing() is not None,
    reason=f"needs {dovecot.missing()}: apt-get install dovecot-imapd dovecot-pop3d",
)


@browser.NEEDED
async def test_moved_by_the_form_and_accounted_for(account: Account, server: Dovecot) -> None:
    running, api = account.system, account.api
    mails = [letter("anna@example.net", USER, f"Mail {n}", message_id=f"{n}@x") for n in range(3)]
    big = letter("anna@example.net", USER, "Too big", "x" * 5_000, message_id="big@x")
    server.put(*map(wire, [*mails, big]))
    box = await api.post(
        "/mailboxes",
        name="Office",
        source={
            "type": "imap", "host": "localhost", "port": server.imaps, "tls": "implicit",
            "login": USER, "password": PASSWORD, "ca": server.ca,
        },
        limits={"max_message_kb": 3},
    )  # fmt: skip
    async with browser.chromium() as chrome:
        page = await chrome.new_page(viewport=DESK)
        page.set_default_timeout(20_000)
        await browser.sign_in(page, running, f"/mailboxes/{box['id']}", account)
        await page.get_by_label("Move to folder after receiving").fill("Erledigt & gut")
        await page.get_by_label("Mark as read on the server after receiving").check()
        await page.get_by_label("Folders to fetch from, one on each line").fill("INBOX\nLater")
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.get_by_label("Move to folder after receiving")).to_have_value(
            "Erledigt & gut"
        )
        await take(page, "mailbox-folders")
        # The folder that is not there yet is said; the rest is fetched.
        await page.get_by_role("button", name="Receive now").click()
        await api.messages(3)
        # The page that looks on ends on the mailbox's own.
        await page.wait_for_url(f"{running.base_url}/mailboxes/{box['id']}")
        await page.get_by_role("link", name="What became of every message").click()
        await expect(page.get_by_text("0 missing")).to_be_visible()
        await expect(page.get_by_role("cell", name="larger than 3 KB")).to_be_visible()
        await take(page, "ledger")
        ledger = await api.get(f"/mailboxes/{box['id']}/ledger")
        names = ("seen", "stored", "left", "decided", "set_aside", "missing")
        assert [ledger[name] for name in names] == [4, 3, 1, 3, 0, 0]
        assert [one["folder"] for one in ledger["left_messages"]] == ["INBOX"]
        imap_user.append(server, "Later", wire(mails[0]))
        # The limit is raised, and what was left there is fetched again.
        raised = await api.client.patch(
            f"/api/v1/mailboxes/{box['id']}", json={"limits": {"max_message_kb": 0}}
        )
        assert raised.status_code == 200
        await page.get_by_label("Fetch again what is not here, from the day").fill("2020-01-01")
        await page.get_by_role("button", name="Fetch again").click()
        await api.messages(5)
        # One content lay in two folders: two mails, one of them in its place already.
        await page.wait_for_url(f"{running.base_url}/mailboxes/{box['id']}")
        await page.get_by_role("link", name="Protocol log").click()
        await expect(page.get_by_text("C: LOGIN …").first).to_be_visible()
        await take(page, "protocol-log")
    logs = (await api.get(f"/mailboxes/{box['id']}/protocol-log"))["data"]
    assert PASSWORD not in str(logs)
    await eventually(lambda: imap_user.folder(server, "INBOX") == {}, what="all are moved")
    assert len(imap_user.folder(server, "Erledigt &- gut")) == 4
