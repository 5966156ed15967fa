"""A user connects a mailbox by signing in at its provider; no password is ever given here."""

from typing import Any

import asyncpg
import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from postroom import services
from postroom.embedded import logins
from support import browser, dovecot
from support.client import Api, letter, wire
from support.dovecot import USER, Dovecot
from support.mail_provider import CLIENT_SECRET, MailProvider
from support.pictures import DESK, take
from support.sharing import Account
from support.system import System
from support.waiting import eventually

pytestmark = pytest.mark.skipif(
    dovecot.missing() is not None,
    reason=f"needs {dovecot.missing()}: apt-get install dovecot-imapd dovecot-pop3d",
)
SECRET = "tomatoes in may"


@pytest.fixture
def provider():
    with MailProvider(USER) as made:
        yield made


@pytest.fixture
def server(provider: MailProvider):
    made = Dovecot()
    made.trust(provider.url)
    made.start()
    try:
        yield made
    finally:
        made.remove()


async def person(api: Api, running: System, email: str, name: str) -> None:
    made = await api.post("/users", email=email, name=name)
    await api.client.post(
        made["link"].removeprefix(running.base_url),
        data={"name": name, "password": SECRET, "again": SECRET},
    )


async def signed_in(chrome: Browser, running: System, email: str) -> Page:
    page = await (await chrome.new_context(viewport=DESK)).new_page()
    page.set_default_timeout(20_000)
    await page.goto(f"{running.base_url}/sign-in?next=/mailboxes")
    await page.get_by_label("E-mail address").fill(email)
    await page.get_by_label("Password").fill(SECRET)
    await page.get_by_role("button", name="Sign in").click()
    return page


async def house(api: Api, server: Dovecot, provider: MailProvider) -> str:
    """A service whose mailboxes sign in at the provider, permitted."""
    imap = {"host": "localhost", "port": server.imaps, "ca": server.ca}
    made = await api.post("/services", name="House mail", imap=imap, oauth=provider.client)
    await api.post(f"/services/{made['id']}/permission")
    return str(made["id"])


async def checked(api: Api, mailbox: str) -> Any:
    """Receive now, and return the mailbox after it."""
    before = (await api.get(f"/mailboxes/{mailbox}"))["last_check"]
    await api.post(f"/mailboxes/{mailbox}/receive")

    async def done() -> Any:
        found = await api.get(f"/mailboxes/{mailbox}")
        assert found["last_check"] != before
        return found

    return await eventually(done, 40, what="the check")


@browser.NEEDED
async def test_a_mailbox_is_connected_by_signing_in_at_its_provider(
    account: Account, server: Dovecot, provider: MailProvider
) -> None:
    running, api, email = account.system, account.api, account.person("anna")
    server.put(wire(letter("Ben <ben@example.net>", USER, "Hello Anna", message_id="1@x")))
    service = await house(api, server, provider)
    await person(api, running, email, "Anna")
    async with browser.chromium() as chrome:
        anna = await signed_in(chrome, running, email)
        watch = browser.Watch(anna, running.base_url)
        await anna.goto(f"{running.base_url}/mailboxes/new?service={service}")
        await anna.get_by_label("Name").fill("My mail")
        await anna.get_by_label("Login").fill(USER)
        await take(anna, "mailbox-oauth")
        provider.denies = True
        await anna.get_by_role("button", name="Save and sign in at House mail").click()
        await expect(anna.get_by_role("alert")).to_contain_text("She said no")
        await take(anna, "mailbox-oauth-denied")
        provider.denies = False
        watch.errors.clear()  # of the refusal's status

        await anna.goto(f"{running.base_url}/mailboxes")
        await anna.get_by_role("link", name="My mail").click()
        box = anna.url.rpartition("/")[2]
        await expect(anna.get_by_text("Sign in at the provider: until then")).to_be_visible()
        found = await api.get(f"/mailboxes/{box}")
        assert (found["state"], found["source"]["auth"]) == ("sign_in_again", "oauth2")
        await anna.get_by_role("link", name="Sign in at House mail").click()
        await expect(anna.locator("main dl.facts dd").first).to_have_text("idle")
        kept = {
            one["name"] for one in await anna.context.cookies(f"{running.base_url}/sign-in/mail")
        }
        assert kept == {"postroom_session"}, "what the browser kept meanwhile is gone"
        await take(anna, "mailbox-granted")
        assert watch.errors == []
    asked = provider.asked[-1]
    assert (asked["login_hint"], asked["scope"]) == (USER, "mail offline_access")
    assert [one["subject"] for one in (await api.get(f"/messages?mailbox={box}"))["data"]] == [
        "Hello Anna"
    ]
    await nothing_is_told(running, api, box, provider)


async def nothing_is_told(running: System, api: Api, box: str, provider: MailProvider) -> None:
    """No token, code or client's secret stands anywhere in clear."""
    url = (running.home.path / "secrets" / services.url_file(logins.FETCH)).read_text().strip()
    connection = await asyncpg.connect(url)
    rows = str(await connection.fetch('SELECT * FROM "fetch".grants'))
    await connection.close()
    texts = [str(await api.get(f"/mailboxes/{box}")), str(await api.get("/services")), rows]
    texts += [path.read_text() for path in (running.home.path / "log").glob("*.log")]
    for secret in (*provider.issued, CLIENT_SECRET):
        assert not any(secret in text for text in texts)


async def test_a_grant_lasts_is_renewed_and_ends_with_a_word(
    account: Account, server: Dovecot, provider: MailProvider
) -> None:
    running, api, email = account.system, account.api, account.person("anna")
    service = await house(api, server, provider)
    await person(api, running, email, "Anna")
    cookie = await session(running, email)
    async with Api(running, {"Cookie": cookie}) as anna:
        made = await anna.post(
            "/mailboxes", name="My mail", kind="user", service=service,
            source={"type": "imap", "login": USER},
        )  # fmt: skip
        box = made["id"]
        provider.life = 1  # each check must ask for a new one

        async def sign_in() -> int:
            there = await anna.client.get(f"/mailboxes/{box}/sign-in")
            kept = there.cookies["postroom_grant"]
            back = await anna.client.get(there.headers["location"])
            both = {"Cookie": f"{cookie}; postroom_grant={kept}"}
            path = back.headers["location"].removeprefix(running.base_url)
            return (await anna.client.get(path, headers=both)).status_code

        assert await sign_in() == 303
        for _ in range(3):
            assert (await checked(api, box))["state"] == "idle"
        assert provider.refreshes >= 3, "each refresh token was taken once, and the next kept"
        provider.down = True
        found = await checked(api, box)
        assert found["state"] == "unreachable"
        assert "HTTP 503" in found["last_check"]["error"]
        provider.down = False
        assert (await checked(api, box))["state"] == "idle"
        provider.revoked = True
        found = await checked(api, box)
        assert found["state"] == "auth_failed"
        assert "sign in again: The grant is over" in found["last_check"]["error"]
        provider.revoked = False
        assert await sign_in() == 303
        assert (await checked(api, box))["state"] == "idle"

        tested = await api.post(f"/mailboxes/{box}/test")

        async def tried() -> Any:
            one = await api.get(f"/operations/{tested['id']}")
            assert one["state"] != "running"
            return one

        assert (await eventually(tried, 40, what="the test"))["state"] == "done"
        # Another server gets no token: what was granted is for this one.
        await api.client.patch(f"/api/v1/services/{service}", json={"imap": {"host": "127.0.0.1"}})
        before = provider.refreshes
        await api.post(f"/services/{service}/push")
        found = await api.get(f"/mailboxes/{box}")
        assert (found["state"], found["source"]["password"]["set"]) == ("sign_in_again", False)
        assert provider.refreshes == before
        gone = await anna.client.delete(f"/api/v1/mailboxes/{box}")
        assert gone.status_code == 204
    url = (running.home.path / "secrets" / services.url_file(logins.FETCH)).read_text().strip()
    connection = await asyncpg.connect(url)

    async def forgotten() -> bool:
        asked = 'SELECT count(*) FROM "fetch".grants WHERE mailbox = $1'
        return not await connection.fetchval(asked, box)

    await eventually(forgotten, what="the grant is forgotten")
    await connection.close()


async def session(system: System, email: str) -> str:
    async with httpx.AsyncClient(base_url=system.base_url, timeout=20) as client:
        signed = await client.post("/sign-in", data={"email": email, "password": SECRET})
    return f"postroom_session={signed.cookies['postroom_session']}"


async def test_what_comes_back_counts_once_and_for_whom_it_was(
    account: Account, server: Dovecot, provider: MailProvider
) -> None:
    running, api, email = account.system, account.api, account.person("anna")
    service = await house(api, server, provider)
    await person(api, running, email, "Anna")
    await person(api, running, account.person("ben"), "Ben")
    hers, his = await session(running, email), await session(running, account.person("ben"))
    async with Api(running, {"Cookie": hers}) as anna, Api(running, {"Cookie": his}) as ben:
        made = await anna.post(
            "/mailboxes", name="My mail", kind="user", service=service,
            source={"type": "imap", "login": USER},
        )  # fmt: skip
        leave = f"/mailboxes/{made['id']}/sign-in"
        assert (await ben.client.get(leave)).status_code == 404
        there = await anna.client.get(leave)
        kept = f"postroom_grant={there.cookies['postroom_grant']}"
        back = await anna.client.get(there.headers["location"])
        path = back.headers["location"].removeprefix(running.base_url)

        async def come_back(client: Api, cookies: str, where: str = path) -> int:
            answer = await client.client.get(where, headers={"Cookie": cookies})
            if answer.status_code == 409:
                assert "Try again" in answer.text or "The grant is over" in answer.text
            return answer.status_code

        assert await come_back(ben, f"{his}; {kept}") == 409, "another person"
        assert await come_back(anna, hers) == 409, "another browser"
        wrong = path.replace("state=", "state=x")
        assert await come_back(anna, f"{hers}; {kept}", wrong) == 409, "another attempt"
        assert len(provider.codes) == 1, "nobody has used the code yet"
        assert await come_back(anna, f"{hers}; {kept}") == 303
        assert await come_back(anna, f"{hers}; {kept}") == 409, "a code counts once"
        assert (await api.get(f"/mailboxes/{made['id']}"))["source"]["password"]["set"]
    system = await api.post(
        "/mailboxes", name="Plain", source={"type": "imap", "host": "x.example", "login": "x",
        "password": "x"},
    )  # fmt: skip
    answer = await api.client.get(f"/mailboxes/{system['id']}/sign-in")
    assert answer.status_code == 409, "there is no provider"
