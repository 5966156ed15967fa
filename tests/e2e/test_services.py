"""E-mail services from both sides: an administrator permits and restricts, a user connects."""

import asyncio
import re
from typing import Any

import asyncpg
import pytest
from playwright.async_api import Browser, Page, expect

from postroom import services
from postroom.embedded import logins
from postroom_api.domain import passwords
from postroom_api.postgres.people import DEFAULT_ACCOUNT
from support import browser, dovecot
from support.client import Api, letter, wire
from support.dovecot import PASSWORD, USER, Dovecot
from support.pictures import DESK, take
from support.sharing import Account
from support.system import System
from support.waiting import eventually

pytestmark = pytest.mark.skipif(
    dovecot.missing() is not None,
    reason=f"needs {dovecot.missing()}: apt-get install dovecot-imapd dovecot-pop3d",
)
ANNA = "anna@example.org"
SECRET = "correct horse for anna"


async def add_person(running: System, email: str, name: str) -> None:
    """A user who may sign in, by SQL: a stand-in for an invitation."""
    url = (running.home.path / "secrets" / services.url_file(logins.WORKER)).read_text().strip()
    connection = await asyncpg.connect(url)
    await connection.execute(
        "INSERT INTO config.person (id, account, email, name, role, password_hash)"
        " VALUES ($1, $2, $3, $4, 'user', $5)",
        f"usr_{name.lower()}", DEFAULT_ACCOUNT, email, name, passwords.hash_password(SECRET),
    )  # fmt: skip
    await connection.close()


async def signed_in(chrome: Browser, running: System, email: str, password: str) -> Page:
    context = await chrome.new_context(viewport=DESK)
    page = await context.new_page()
    page.set_default_timeout(20_000)
    await page.goto(f"{running.base_url}/sign-in?next=/mailboxes")
    await page.get_by_label("E-mail address").fill(email)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()
    return page


@browser.NEEDED
async def test_a_service_is_permitted_connected_through_restricted_and_undone(
    running: System, api: Api, server: Dovecot
) -> None:
    server.put(wire(letter("Ben <ben@example.net>", USER, "Hello Anna", message_id="1@x")))
    await add_person(running, ANNA, "Anna")
    other = await api.post("/services", name="Not for us", imap={"host": "imap.example.net"})
    async with browser.chromium() as chrome:
        admin = await signed_in(chrome, running, running.admin_email, running.admin_password)
        watch = browser.Watch(admin, running.base_url)
        anna = await signed_in(chrome, running, ANNA, SECRET)
        anna_watch = browser.Watch(anna, running.base_url)
        await expect(anna.get_by_text("You have no mailbox here yet")).to_be_visible()
        await anna.get_by_role("link", name="Connect one").click()
        await expect(anna.get_by_text("No e-mail service is permitted here yet")).to_be_visible()

        await admin.get_by_role("link", name="Services", exact=True).click()
        await expect(admin.get_by_role("link", name="Gmail", exact=True)).to_be_visible()
        await take(admin, "services")
        await admin.get_by_role("link", name="Add service").click()
        await admin.get_by_label("Name").fill("House mail")
        await admin.get_by_label("IMAP: Server").fill("localhost")
        await admin.get_by_label("IMAP: Port").fill(str(server.imaps))
        await admin.get_by_text("A certificate authority of its own").click()
        await admin.get_by_label("PEM of the authority").fill(server.ca)
        await take(admin, "service")
        await admin.get_by_role("button", name="Save").click()
        await admin.get_by_role("button", name="Permit House mail").click()
        await expect(admin.get_by_role("link", name="Restrict… House mail")).to_be_visible()

        await anna.reload()
        await take(anna, "mailbox-choose")
        await expect(anna.get_by_role("link", name="Not for us")).to_have_count(0)
        await anna.get_by_role("link", name="House mail").click()
        await expect(anna.get_by_label("Server", exact=True)).to_have_value("localhost")
        await expect(anna.get_by_label("Server", exact=True)).not_to_be_editable()
        await anna.get_by_label("Name").fill("My mail")
        await anna.get_by_label("Login").fill(USER)
        await anna.get_by_label("Password", exact=True).fill(PASSWORD)
        await take(anna, "mailbox-connect")
        # Two tabs without a script: the second is reached by keyboard.
        await anna.get_by_role("radio", name="Mailbox").focus()
        await anna.keyboard.press("ArrowRight")
        await anna.get_by_label("Fallback charset").fill("koi8-r")
        await take(anna, "mailbox-more")
        await anna.get_by_role("button", name="Save", exact=True).click()
        await expect(anna.get_by_text("Connected through House mail")).to_be_visible()
        box = anna.url.rpartition("/")[2]
        await anna.get_by_role("button", name="Receive now").click()

        async def received() -> Any:
            (row,) = (await api.get("/mailboxes?kind=user"))["data"]
            assert (row["mails"], row["unread"], row["state"]) == (1, 1, "idle")
            return row

        row = await eventually(received, 30, what="Anna's mail")
        assert row["owner"]["email"] == ANNA
        await anna.wait_for_url(f"{running.base_url}/mailboxes/{box}")
        refused = await anna.goto(f"{running.base_url}/mailboxes/new?service={other['id']}")
        assert refused is not None
        assert refused.status == 404, "a service that is not permitted is not there"
        assert anna_watch.errors.pop().startswith("Failed to load resource")
        await refused_by_api(running, anna, other["id"])
        await anna.goto(f"{running.base_url}/mailboxes")
        await take(anna, "my-mailboxes")

        await admin.goto(f"{running.base_url}/mailboxes")
        await admin.get_by_label("Menu of My mail").click()
        await take(admin, "mailboxes-menu")
        await admin.keyboard.press("Escape")
        await several_at_once(admin, api)
        await admin.get_by_role("cell", name="idle").dblclick()
        await expect(admin.get_by_label("Owner")).to_have_value(ANNA)

        await admin.goto(f"{running.base_url}/services")
        await admin.get_by_role("link", name="Restrict… House mail").click()
        await expect(admin.get_by_text("1 mailbox would stop fetching")).to_be_visible()
        await expect(admin.get_by_role("cell", name="Anna")).to_be_visible()
        await take(admin, "service-restriction")
        assert (await api.get(f"/mailboxes/{box}"))["active"], "a preview changes nothing"
        await admin.get_by_role("button", name="Restrict").click()
        await expect(admin.get_by_role("button", name="Undo restriction")).to_be_visible()
        await anna.goto(f"{running.base_url}/mailboxes/{box}")
        await expect(anna.get_by_text("Paused: House mail is no longer permitted")).to_be_visible()
        await admin.get_by_role("button", name="Undo restriction").click()
        await expect(admin.get_by_role("link", name="Restrict… House mail")).to_be_visible()
        await anna.reload()
        await expect(anna.get_by_label("Active")).to_be_checked()

        await admin.get_by_role("link", name="House mail", exact=True).click()
        await admin.get_by_label("IMAP: Server").fill("127.0.0.1")
        await admin.get_by_role("button", name="Save").click()
        await expect(admin.get_by_text("sign in again")).to_be_visible()
        await take(admin, "service-push")
        await admin.get_by_role("button", name="Push").click()
        await expect(admin.get_by_role("heading", name="E-mail services")).to_be_visible()
        await anna.reload()
        await expect(anna.get_by_text("Sign in again: its server changed")).to_be_visible()
        await expect(anna.locator("dl.facts dd").first).to_have_text(re.compile("^sign in again"))
        await take(anna, "mailbox-sign-in-again")

        await add_person(running, "ben@example.org", "Ben")
        await anna.goto(f"{running.base_url}/mailboxes/{box}/shares")
        await anna.get_by_label("With whom").fill("ben@example.org")
        await anna.get_by_role("button", name="Share", exact=True).click()
        await expect(anna.get_by_role("button", name="End Ben")).to_be_visible()
        await take(anna, "mailbox-shares")

        await for_somebody_else(admin, running, api)
        await admin.goto(f"{running.base_url}/connect-links/new")
        await admin.get_by_label("For whom").fill(ANNA)
        await admin.get_by_role("button", name="Make link", exact=True).click()
        link = await admin.locator("code.link").inner_text()
        await take(admin, "connect-link")
        await anna.goto(link)
        await expect(anna.get_by_text("Connected through House mail")).to_be_visible()
        assert watch.errors == []
        assert watch.elsewhere == []
        assert anna_watch.errors == []


async def for_somebody_else(admin: Page, running: System, api: Api) -> None:
    """An administrator makes a user's mailbox, for Ben."""
    await admin.goto(f"{running.base_url}/mailboxes/new")
    await admin.get_by_role("link", name="House mail").click()
    await admin.get_by_label("Name").fill("Ben's mail")
    await admin.get_by_label("Owner").fill("ben@example.org")
    await admin.get_by_label("Login").fill("ben")
    await admin.get_by_label("Password", exact=True).fill("secret")
    await admin.get_by_role("button", name="Save", exact=True).click()
    await expect(admin.get_by_role("heading", name="Ben's mail")).to_be_visible()
    await expect(admin.get_by_label("Owner")).to_have_value("ben@example.org")
    box = admin.url.rpartition("/")[2]
    assert (await api.get(f"/mailboxes/{box}"))["owner"]["name"] == "Ben"


async def several_at_once(admin: Page, api: Api) -> None:
    """The same for those that are selected; what cannot be done is said of each."""
    await api.post("/mailboxes", name="Desk", source={"type": "smtp"})
    await admin.reload()
    for action, state in (("Pause", "paused"), ("Activate", "idle")):
        await admin.get_by_label("Select My mail").check()
        await admin.locator("p.bulk").get_by_role("button", name=action).click()
        await expect(admin.get_by_role("row", name="My mail")).to_contain_text(state)
    await admin.get_by_label("Select all").check()
    await admin.locator("p.bulk").get_by_role("button", name="Receive now").click()
    await expect(admin.get_by_text("Done for 1 of 2.")).to_be_visible()
    await expect(admin.get_by_text("Mail comes to this mailbox by itself")).to_be_visible()
    await take(admin, "mailboxes-bulk")

    async def received() -> bool:
        (row,) = (await api.get("/mailboxes?kind=user"))["data"]
        return bool(row["state"] == "idle")

    await eventually(received, 30, what="the check has ended")
    await admin.get_by_role("link", name="Back to the mailboxes").click()
    await expect(admin.get_by_role("row", name="Desk")).to_be_visible()


async def refused_by_api(running: System, anna: Page, service: str) -> None:
    answer = await anna.request.post(
        f"{running.base_url}/api/v1/mailboxes",
        headers={"Sec-Fetch-Site": "same-origin"},
        data={
            "name": "x", "kind": "user", "service": service,
            "source": {"type": "imap", "login": "x", "password": "x", "host": "localhost"},
        },
    )  # fmt: skip
    assert answer.status == 422
    assert [one["pointer"] for one in (await answer.json())["errors"]] == ["/service"]
    for path in ("/services", "/mailbox-policy"):
        answer = await anna.request.fetch(
            f"{running.base_url}/api/v1{path}",
            method="POST" if path == "/services" else "PATCH",
            headers={"Sec-Fetch-Site": "same-origin"},
            data={"name": "x", "imap": {"host": "x.example"}}
            if path == "/services"
            else {"mailboxes_per_user": 99},
        )
        assert answer.status == 403


async def test_the_api_has_the_catalogue_and_pages_of_mailboxes(account: Account) -> None:
    api = account.api
    found = (await api.get("/services"))["data"]
    assert len(found) >= 25
    made = await api.post("/services", name="Ours", imap={"host": "imap.example.org"})
    assert (made["imap"]["port"], made["permitted"]) == (993, False)
    path = f"/api/v1/services/{made['id']}"
    changed = await api.client.patch(path, json={"imap": {"tls": "starttls", "port": None}})
    assert changed.json()["imap"]["port"] == 143
    bad = await api.client.patch(path, json={"web_link": "ftp://x"})
    assert (bad.status_code, bad.json()["errors"][0]["pointer"]) == (422, "/web_link")
    preview = await api.post(f"/services/{made['id']}/restriction/preview")
    assert (preview["count"], preview["owners"]) == (0, [])
    order = await api.post("/services/order", services=[made["id"]])
    assert order["data"][0]["id"] == made["id"]
    assert (await api.client.delete(path)).status_code == 204
    boxes = [
        await api.post("/mailboxes", name=f"Box {n}", source={"type": "smtp"}) for n in range(3)
    ]
    first = await api.get("/mailboxes?limit=2&sort=-name")
    assert [one["name"] for one in first["data"]] == ["Box 2", "Box 1"]
    rest = await api.get(f"/mailboxes?limit=2&sort=-name&cursor={first['next_cursor']}")
    assert ([one["name"] for one in rest["data"]], rest["next_cursor"]) == (["Box 0"], None)
    assert len((await api.get("/mailboxes?search=box&state=open"))["data"]) == 3
    for wrong in ("sort=size", "kind=other", "limit=500", "cursor=x"):
        answer = await api.client.get(f"/api/v1/mailboxes?{wrong}")
        assert answer.status_code in {400, 422}, wrong
    ids = [one["id"] for one in boxes]
    answers = await api.post("/mailboxes/bulk", action="delete", mailboxes=[*ids, "mbx_none"])
    assert [one["done"] for one in answers["data"]] == [True, True, True, False]
    await asyncio.gather(*(api.get(f"/{name}") for name in ("mailbox-policy", "services")))
