"""Users, accounts, tokens and the second factor, by API and as people walk through the pages."""

import asyncio
import email
import email.policy
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pyotp
from playwright.async_api import Page, expect

from support import browser
from support.client import Api, letter, send
from support.pictures import DESK, take
from support.sharing import Account
from support.system import System
from support.waiting import eventually

ADMIN_PATHS = [
    "GET /users", "GET /users/usr_x", "GET /orphaned-mailboxes", "GET /users/tokens", "GET /audit",
    "GET /accounts", "GET /deliveries", "GET /deliveries/1/raw", "GET /set-aside",
    "POST /accounts/acc_x/enter", "POST /set-aside/x/redo",
    "POST /users/usr_x/link", "DELETE /users/usr_x/second-factor", "DELETE /users/tokens/tok_x",
    "POST /messages/msg_x/restore",
]  # fmt: skip
ADMIN_PAGES = [
    "/users", "/users/usr_x", "/users/orphaned", "/accounts", "/accounts/acc_x", "/tokens",
    "/audit", "/outbox", "/outbox/1", "/set-aside",
]  # fmt: skip


@asynccontextmanager
async def come(
    system: System, link: str, name: str, password: str
) -> AsyncIterator[httpx.AsyncClient]:
    """Take up an invitation and sign in; the client holds the session."""
    async with httpx.AsyncClient(base_url=system.base_url, timeout=20) as client:
        form = {"name": name, "password": password, "again": password}
        answer = await client.post(link, data=form)
        assert answer.status_code == 303, answer.text
        email = httpx.URL(answer.headers["location"]).params["email"]
        answer = await client.post("/sign-in", data={"email": email, "password": password})
        assert answer.status_code == 303, answer.text
        yield client


async def test_users_tokens_and_what_they_may_not(running: System, api: Api) -> None:
    made = await api.post("/users", email="Anna@Example.org", name="Anna")
    anna = made["user"]
    assert (anna["email"], anna["role"], anna["state"]) == ("anna@example.org", "user", "invited")
    twice = await api.client.post("/api/v1/users", json={"email": "anna@example.org", "name": "A"})
    assert (twice.status_code, twice.json()["errors"][0]["pointer"]) == (409, "/email")
    async with httpx.AsyncClient(base_url=running.base_url) as client:
        for password, words in (("password123", "tried first"), ("short", "at least 10")):
            form = {"name": "Anna", "password": password, "again": password}
            answer = await client.post(made["link"], data=form)
            assert answer.status_code == 422
            assert words in answer.text
        foreign = {"Sec-Fetch-Site": "cross-site"}
        assert (await client.post(made["link"], data=form, headers=foreign)).status_code == 403
    async with come(running, made["link"], "Anna Berg", "tomatoes in may") as client:
        assert (await client.get(made["link"])).status_code == 404, "once"
        me = (await client.get("/api/v1/me")).json()
        assert (me["name"], me["role"], me["scopes"]) == ("Anna Berg", "user", None)
        for route in ADMIN_PATHS:
            method, path = route.split(" ")
            answer = await client.request(method, f"/api/v1{path}")
            assert answer.status_code == 403, route
            assert answer.json()["code"] == "administrators_only", route
        await knock_everywhere(client)
        for path in ADMIN_PAGES:
            assert (await client.get(path)).status_code == 403, path
        nav = re.findall(r'href="(/\w+)"', (await client.get("/forums")).text.split("</nav>")[0])
        assert nav == ["/forums", "/messages", "/tickets", "/mailboxes", "/profile"]
        for path in ("/forums", "/messages", "/tickets", "/mailboxes", "/rules", "/profile"):
            assert (await client.get(path)).status_code == 200, path

        refused = await client.post("/api/v1/tokens", json={"name": "x", "scopes": ["admin"]})
        assert refused.json()["errors"][0]["pointer"] == "/scopes"
        wish = {"name": "cron", "scopes": ["forums:read"], "expires_in_days": 30}
        token = (await client.post("/api/v1/tokens", json=wish)).json()
        program = httpx.AsyncClient(
            base_url=running.base_url, headers={"Authorization": f"Bearer {token['secret']}"}
        )
        assert (await program.get("/api/v1/forums")).status_code == 200
        missing = await program.get("/api/v1/messages")
        assert (missing.status_code, missing.json()["code"]) == (403, "scope_missing")
        assert "messages:read" in missing.json()["detail"]
        assert (await program.get("/forums")).status_code == 403, "pages ask for no scopes"
        assert (await program.get("/api/v1/me")).json()["scopes"] == ["forums:read"]
        (row,) = (await client.get("/api/v1/tokens")).json()["data"]
        assert row["last_used_at"]
        assert "secret" not in str(row)

        own = await client.patch(f"/api/v1/users/{anna['id']}", json={"role": "administrator"})
        assert own.status_code == 403
        deactivated = await api.client.patch(
            f"/api/v1/users/{anna['id']}", json={"state": "deactivated"}
        )
        assert deactivated.json()["state"] == "deactivated"
        assert (await program.get("/api/v1/forums")).status_code == 401
        assert (await client.get("/api/v1/me")).status_code == 401
        await program.aclose()
    boss = next(u for u in (await api.get("/users"))["data"] if u["role"] == "administrator")
    for change in ({"state": "deactivated"}, {"role": "user"}):
        answer = await api.client.patch(f"/api/v1/users/{boss['id']}", json=change)
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict"), change
    actions = [entry["action"] for entry in await api.all("/audit")]
    for action in ("user.invited", "user.joined", "person.signed_in", "token.created",
                   "user.deactivated"):  # fmt: skip
        assert action in actions
    found = await api.get(f"/audit?about={anna['id']}&action=user")
    assert {entry["about"] for entry in found["data"]} == {anna["id"]}


async def knock_everywhere(client: httpx.AsyncClient) -> None:
    """Every route of the API, by somebody who manages nothing: theirs, or a no."""
    found = (await client.get("/schema/openapi.json")).json()["paths"]
    opened = set()
    for path, methods in found.items():
        where = re.sub(r"{[^}]+}", "1", path)
        for method in methods:
            answer = await client.request(method, where, json={} if method != "get" else None)
            assert answer.status_code < 500, (method, path, answer.text)
            if answer.is_success:
                opened.add(f"{method} {path.removeprefix('/api/v1')}")
    assert opened == {
        "get /me", "patch /me", "get /me/sessions", "post /me/sessions/end-others", "get /tokens",
        "post /me/second-factor", "get /forums", "get /messages", "get /mailboxes", "get /rules",
        "get /overview", "get /deleted-mailboxes", "get /services", "get /mailbox-policy", "get /me/forums",
        "get /me/submission-passwords", "get /rules/analysis", "get /rules/hits",
        "get /rules/export", "get /tickets",
    }  # fmt: skip


async def test_an_account_is_its_own_and_goes_with_all_that_is_in_it(
    tmp_path, untouched: System
) -> None:
    system = System(tmp_path, {"POSTROOM_TIME_SCALE": "0.02"})
    system.begin_as(untouched)
    system.start()
    try:
        await system.wait_ready()
        async with Api(system) as api:
            await account_story(system, api)
    finally:
        system.stop()


async def account_story(system: System, api: Api) -> None:
    account = (await api.post("/accounts", name="Second"))["id"]
    refused = await api.client.post(f"/api/v1/accounts/{account}/enter")
    assert refused.status_code == 409, "a token is at work where it was made"
    there = Api(system)
    there.client = session = httpx.AsyncClient(base_url=system.base_url, timeout=20)
    async with there:
        form = {"email": system.admin_email, "password": system.admin_password}
        assert (await session.post("/sign-in", data=form)).status_code == 303
        assert (await session.post(f"/api/v1/accounts/{account}/enter")).status_code == 204
        assert "You are at work in the account" in (await session.get("/forums")).text
        assert (await there.get("/users"))["data"] == []
        garden = "garden@second.example"
        forum = await there.forum("Garden", garden, "ben@example.com")
        await there.post("/users", email="cleo@example.org", name="Cleo")
        mail = letter("a@example.net", garden, "Tomatoes", message_id="t@example.net")
        await asyncio.to_thread(send, system, mail, "a@example.net", garden)
        await there.topics(forum, 1)
        await there.messages(1)
        assert (await api.get("/forums"))["data"] == []
        assert (await api.get("/messages"))["data"] == []

        remove = f"/api/v1/accounts/{account}/remove"
        wrong = await api.client.post(remove, json={"name": "second"})
        assert wrong.json()["errors"][0]["pointer"] == "/name"
        first = next(a for a in (await api.get("/accounts"))["data"] if a["is_default"])
        keep = await api.client.post(
            f"/api/v1/accounts/{first['id']}/remove", json={"name": first["name"]}
        )
        assert keep.status_code == 409
        assert (await api.client.post(remove, json={"name": "Second"})).status_code == 202
        assert [a["id"] for a in (await api.get("/accounts"))["data"]] == [first["id"]]
        me = await there.get("/me")
        assert me["account"] == first["id"], "at home again"

    async def again() -> bool:
        """The address is free once nothing of the account is left."""
        answer = await api.client.post("/api/v1/forums", json={"name": "Garden", "address": garden})
        assert answer.is_success, answer.text
        return True

    await eventually(again, 20, what="the domain is free")
    (made,) = (await api.get("/forums"))["data"]
    assert (made["topics"], made["members"]) == (0, 0)
    invited = await api.post("/users", email="cleo@example.org", name="Cleo")
    assert invited["user"]["state"] == "invited"

    await eventually(lambda: "account removed" in system.log, 20, what="the removal is done")


async def look(page: Page, name: str, heading: str) -> None:
    """Look at a page once it is there."""
    await expect(page.get_by_role("heading", level=1, name=heading)).to_be_visible()
    await take(page, name)


def code_of(secret: str, steps: int) -> str:
    """The code of a time step: each is taken once, so a walk uses one after the other."""
    return pyotp.TOTP(secret).at(int(time.time()) + 30 * steps)


@browser.NEEDED
async def test_a_walk_from_the_invitation_to_the_end(running: System, api: Api) -> None:
    async with browser.chromium() as chrome:
        office = await chrome.new_page(viewport=DESK)
        office.set_default_timeout(20_000)
        watch = browser.Watch(office, running.base_url)
        await browser.sign_in(office, running, "/users")
        await office.get_by_label("E-mail address").fill("anna@example.org")
        await office.get_by_label("Name", exact=True).fill("Anna")
        await look(office, "users", "Access")
        await office.get_by_role("button", name="Invite", exact=True).click()
        link = await office.get_by_label("Link").input_value()
        await look(office, "user-link", "A link for Anna")

        page = await (await chrome.new_context()).new_page()
        page.set_default_timeout(20_000)
        watch_anna = browser.Watch(page, running.base_url)
        await page.goto(link)
        await look(page, "welcome", "Welcome")
        await page.get_by_label("Your name").fill("Anna Berg")
        await page.get_by_label("New password").fill("tomatoes in may")
        await page.get_by_label("The same again").fill("tomatoes in may")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_label("E-mail address")).to_have_value("anna@example.org")
        await page.get_by_label("Password").fill("tomatoes in may")
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("link", name="Profile").click()
        await page.get_by_role("button", name="Switch on").click()
        secret = await page.locator("#secret").inner_text()
        await look(page, "second-factor", "Second factor")
        first = code_of(secret, 0)
        await page.get_by_label("Code").fill(first)
        await page.get_by_role("button", name="Switch on").click()
        await expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
        recovery = await page.locator(".codes code").first.inner_text()
        assert await page.locator(".codes code").count() == 10
        await look(page, "recovery-codes", "Recovery codes")
        await page.get_by_role("link", name="I have kept them").click()
        await expect(page.get_by_text("10 recovery codes are left.")).to_be_visible()
        await page.get_by_role("button", name="Sign out").click()
        await sign_in_with_a_code(page, secret, first)
        assert watch_anna.elsewhere == []

        await page.get_by_role("link", name="Profile").click()
        await page.get_by_label("What is it for?").fill("reading list")
        await page.get_by_label("forums:read").check()
        await page.get_by_role("button", name="Make token").click()
        token = await page.get_by_label("Token").input_value()
        await look(page, "token", "Token “reading list”")
        async with httpx.AsyncClient(
            base_url=running.base_url, headers={"Authorization": f"Bearer {token}"}
        ) as program:
            assert (await program.get("/api/v1/forums")).status_code == 200
            await page.goto(f"{running.base_url}/profile")
            await look(page, "profile", "Profile")
            await page.get_by_role("button", name="Revoke reading list").click()
            await expect(page.get_by_role("button", name="Revoke")).to_have_count(0)
            assert (await program.get("/api/v1/forums")).status_code == 401
        await recover(chrome, running, recovery)

        await office.goto(f"{running.base_url}/users")
        await office.get_by_role("link", name="Anna Berg").click()
        await look(office, "user", "Anna Berg")
        await office.get_by_role("button", name="Deactivate Anna Berg").click()
        await expect(office.get_by_text("deactivated", exact=True)).to_be_visible()
        await page.goto(f"{running.base_url}/profile")
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        await look_at_the_rest(office, running, api)
        assert watch.errors == []
        assert watch.elsewhere == []


async def sign_in_with_a_code(page: Page, secret: str, used: str) -> None:
    await page.get_by_label("E-mail address").fill("anna@example.org")
    await page.get_by_label("Password").fill("tomatoes in may")
    await page.get_by_role("button", name="Sign in").click()
    await look(page, "sign-in-code", "Second step")
    for wrong in ("000000", used):
        await page.get_by_label("Code").fill(wrong)
        await page.get_by_role("button", name="Go on").click()
        await expect(page.get_by_role("alert")).to_contain_text("does not fit")
    await page.get_by_label("Code").fill(code_of(secret, 1))
    await page.get_by_role("button", name="Go on").click()
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()


async def recover(chrome: Any, running: System, code: str) -> None:
    """The phone is gone: a recovery code opens, once."""
    for opens in (True, False):
        page = await (await chrome.new_context()).new_page()
        await page.goto(f"{running.base_url}/sign-in")
        await page.get_by_label("E-mail address").fill("anna@example.org")
        await page.get_by_label("Password").fill("tomatoes in may")
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_label("Code").fill(code.upper())
        await page.get_by_role("button", name="Go on").click()
        shown = page.get_by_role("heading", name="Overview") if opens else page.get_by_role("alert")
        await expect(shown).to_be_visible()
        await page.context.close()


async def look_at_the_rest(office: Page, running: System, api: Api) -> None:
    account = (await api.post("/accounts", name="Second"))["id"]
    for name, path, heading in (
        ("orphans", "/users/orphaned", "Orphaned mailboxes"),
        ("accounts", "/accounts", "Access"),
        ("account", f"/accounts/{account}", "Second"),
        ("tokens", "/tokens", "Access"),
        ("audit", "/audit", "Access"),
        ("audit-filtered", "/audit?person=Anna&action=second_factor", "Access"),
    ):
        await office.goto(f"{running.base_url}{path}")
        await look(office, name, heading)
    await office.goto(f"{running.base_url}/accounts")
    await office.get_by_role("button", name="Go there Second").click()
    await expect(office.get_by_text("You are at work in the account")).to_be_visible()
    await office.goto(f"{running.base_url}/users")
    await look(office, "elsewhere", "Access")
    await office.get_by_role("button", name="Back home").click()
    await expect(office.get_by_role("heading", name="Access")).to_be_visible()


async def test_links_reach_their_people_by_mail(account: Account) -> None:
    """Asked for, and not otherwise; each link in a letter opens once."""
    running, api, sink = account.system, account.api, account.sink
    ben, anna = account.person("ben"), account.person("anna")
    quiet = await api.post("/users", email=ben, name="Ben")
    assert quiet["sent"] is False
    made = await api.post("/users", email=anna, name="Änne", send=True)
    assert made["sent"] is True
    await sink.wait_for(1)
    (mail,) = [
        email.message_from_bytes(one.raw, policy=email.policy.default) for one in sink.received
    ]
    assert (mail["To"], mail["Subject"]) == (anna, "You are invited to Postroom")
    assert mail["Auto-Submitted"] == "auto-generated"
    text = mail.get_content()
    assert "Hello Änne," in text
    assert made["link"] in text
    again = await api.post(f"/users/{made['user']['id']}/link?send=true")
    await sink.wait_for(2)
    assert again["link"].encode() in sink.received[1].raw
    assert (await api.client.get(made["link"])).status_code == 404, "the older one is void"
    assert (await api.client.get(again["link"])).status_code == 200
    service = (await api.get("/services"))["data"][0]["id"]
    await api.post(f"/services/{service}/permission")
    link = await api.post("/connect-links", person=ben, service=service, send=True)
    await sink.wait_for(3)
    assert sink.received[2].rcpt_tos == (ben,)
    assert link["url"].encode() in sink.received[2].raw
    logs = "".join(path.read_text() for path in (running.home.path / "log").glob("*.log"))
    for url in (made["link"], again["link"], link["url"]):
        assert url.rpartition("/")[2] not in logs
