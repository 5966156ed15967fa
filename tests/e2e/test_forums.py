"""Forums as people live in them: join, read by mail or not, run one, and not find one that hides."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from playwright.async_api import Browser, Page, expect

from support import browser
from support.client import Api, letter, send
from support.pictures import DESK, take
from support.sink import Sink
from support.system import System
from support.waiting import eventually

GARDEN, BOARD = "garden@example.org", "board@example.org"
OLGA, MONA, OTTO = "olga@people.example", "mona@people.example", "otto@people.example"
ANNA = "anna@example.net"
PASSWORD = "tomatoes in may"


async def arrive(system: System, api: Api, email: str) -> Api:
    """Invite somebody who comes at once; the API with their session."""
    name = email.partition("@")[0].title()
    made = await api.post("/users", email=email, name=name)
    async with httpx.AsyncClient(base_url=system.base_url, timeout=20) as client:
        form = {"name": name, "password": PASSWORD, "again": PASSWORD}
        assert (await client.post(made["link"], data=form)).status_code == 303
        answer = await client.post("/sign-in", data={"email": email, "password": PASSWORD})
        assert answer.status_code == 303
        return Api(system, {"Cookie": f"postroom_session={client.cookies['postroom_session']}"})


@asynccontextmanager
async def opened(chrome: Browser, system: System, who: Api, **how: Any) -> AsyncIterator[Page]:
    """A page of somebody who is signed in."""
    context = await chrome.new_context(viewport=DESK, **how)
    secret = who.client.headers["Cookie"].partition("=")[2]
    await context.add_cookies(
        [{"name": "postroom_session", "value": secret, "url": system.base_url}]
    )
    page = await context.new_page()
    page.set_default_timeout(20_000)
    yield page
    await context.close()


async def mail(system: System, subject: str, name: str, text: str, answers: str = "") -> None:
    written = letter(
        f"Anna Berg <{ANNA}>", GARDEN, subject, text, message_id=f"{name}@example.net",
        in_reply_to=f"{answers}@example.net" if answers else None,
    )  # fmt: skip
    await asyncio.to_thread(send, system, written, ANNA, GARDEN)


async def got(sink: Sink, words: str, *people: str) -> None:
    """Wait until these, and nobody else, have the mail with these words."""

    async def arrived() -> bool:
        to = {one for got in sink.received if words.encode() in got.raw for one in got.rcpt_tos}
        assert to <= set(people), f"{words} went to {to}"
        return to == set(people)

    await eventually(arrived, 30, what=f"{words} at {people}")


@browser.NEEDED
async def test_people_join_a_forum_and_say_what_they_get(
    running: System, api: Api, sink: Sink
) -> None:
    """Without JavaScript: the pages need none."""
    garden = await api.forum("Garden club", GARDEN, "ben@example.com")
    olga = await arrive(running, api, OLGA)
    async with browser.chromium() as chrome:
        async with opened(chrome, running, olga, java_script_enabled=False) as page:
            await page.goto(f"{running.base_url}/my/forums")
            await expect(page.get_by_text("You take part in no forum yet.")).to_be_visible()
            await page.get_by_role("button", name="Join Garden club").click()
            await expect(page.get_by_label("Gets Garden club")).to_have_value("each")
            await mail(running, "Tomatoes", "one", "They are ripe.\n")
            await got(sink, "They are ripe.", OLGA, "ben@example.com")

            await page.get_by_label("Gets Garden club").select_option("no mail")
            await page.get_by_role("button", name="Save what I get").click()
            await expect(page.get_by_text("Saved.")).to_be_visible()
            await expect(page.get_by_label("Gets Garden club")).to_have_value("none")
            await mail(running, "Beans", "two", "Mine are not.\n")
            await got(sink, "Mine are not.", "ben@example.com")

            await page.get_by_role("button", name="Leave Garden club").click()
            await expect(page.get_by_text("You left Garden club.")).to_be_visible()
            assert (await olga.get("/me/forums"))["data"] == []
            await page.get_by_role("button", name="Undo").click()
            await expect(page.get_by_label("Gets Garden club")).to_have_value("none")
            await page.goto(f"{running.base_url}/forums/{garden}")
            await page.get_by_role("button", name="Leave").click()
            await page.goto(f"{running.base_url}/forums/{garden}")
            await page.get_by_role("button", name="Join").click()
            await expect(page.get_by_role("heading", name="Garden club")).to_be_visible()
        async with opened(chrome, running, olga) as page:
            watch = browser.Watch(page, running.base_url)
            await page.goto(f"{running.base_url}/my/forums")
            await take(page, "my-forums")
            await page.get_by_role("button", name="Leave Garden club").click()
            await expect(page.get_by_role("button", name="Undo")).to_be_visible()
            await take(page, "my-forums-left")
            await page.get_by_role("button", name="Undo").click()
            await expect(page.get_by_label("Gets Garden club")).to_have_value("none")
            assert watch.errors == []
    (mine,) = (await olga.get("/me/forums"))["data"]
    assert (mine["part"]["delivery"], mine["runs"]) == ("none", False)
    back = await olga.client.put(f"/api/v1/me/forums/{garden}", json={"delivery": "each"})
    assert back.json()["part"]["delivery"] == "each"
    await deactivated(running, api, sink, garden)
    await olga.client.aclose()


async def deactivated(system: System, api: Api, sink: Sink, garden: str) -> None:
    """Olga goes and comes back: meanwhile nothing is sent to her."""
    user = next(one for one in await api.all("/users") if one["email"] == OLGA)["id"]

    async def set_to(state: str) -> None:
        changed = await api.client.patch(f"/api/v1/users/{user}", json={"state": state})
        assert changed.status_code == 200, changed.text

        async def told() -> bool:
            (found,) = (await api.get(f"/forums/{garden}/members?search=OLGA"))["data"]
            return bool(found["silenced"]) == (state == "deactivated")

        await eventually(told, what="the forum has heard of it")

    await set_to("deactivated")
    await mail(system, "Peas", "three", "While she is away.\n")
    await got(sink, "While she is away.", "ben@example.com")
    await set_to("active")
    await mail(system, "Leeks", "four", "Now she is back.\n")
    await got(sink, "Now she is back.", OLGA, "ben@example.com")


@browser.NEEDED
async def test_a_moderator_keeps_order_and_others_do_not(
    running: System, api: Api, sink: Sink
) -> None:
    garden = await api.forum("Garden club", GARDEN, "ben@example.com")
    mona, otto = await arrive(running, api, MONA), await arrive(running, api, OTTO)
    async with browser.chromium() as chrome:
        await make_moderator(chrome, running, garden)
        await mail(running, "Tomatoes", "one", "They are ripe.\n")
        (topic,) = await api.topics(garden, 1)
        await otto.post(f"/topics/{topic['id']}/posts", text="Buy my pills")
        async with opened(chrome, running, mona) as page:
            watch = browser.Watch(page, running.base_url)
            await moderate(page, running, api, otto, topic["id"])
            await manage_members(page, running, garden)
            await refused(running, garden, topic["id"], otto, api)
            await settings(page, running, garden)
            assert watch.errors == []
    await got(sink, "Too late.", MONA, "ben@example.com")
    await hidden(garden, topic["id"], otto, mona)
    actions = {one["action"] for one in await api.all("/audit")}
    assert actions >= {
        "forum.changed", "member.added", "member.changed", "member.removed", "post.removed",
        "post.shown", "topic.closed", "topic.reopened",
    }  # fmt: skip
    for one in (mona, otto):
        await one.client.aclose()


async def make_moderator(chrome: Browser, system: System, garden: str) -> None:
    page = await chrome.new_page(viewport=DESK)
    page.set_default_timeout(20_000)
    await browser.sign_in(page, system, f"/forums/{garden}/members")
    await page.get_by_label("E-mail address").fill(MONA)
    await page.get_by_role("button", name="Add member").click()
    await page.get_by_label(f"Role of {MONA}").select_option("moderator")
    await page.get_by_role("button", name=f"Save {MONA}").click()
    await expect(page.get_by_label(f"Role of {MONA}")).to_have_value("moderator")
    await take(page, "members")
    await page.close()


async def moderate(page: Page, system: System, api: Api, otto: Api, topic: str) -> None:
    where = f"{system.base_url}/topics/{topic}"

    async def others() -> tuple[str, list[str]]:
        html = (await otto.client.get(f"/topics/{topic}")).text
        return html, [one["state"] for one in (await otto.get(f"/topics/{topic}/posts"))["data"]]

    await page.goto(where)
    await page.get_by_role("button", name="Remove the post of Otto").click()
    await expect(page.get_by_text("only those who run the forum read it")).to_be_visible()
    await expect(page.get_by_text("Buy my pills")).to_be_visible()
    html, states = await others()
    assert ("Removed by the moderators." in html, "pills" in html) == (True, False)
    assert states == ["shown", "removed"]
    await page.get_by_role("button", name="Bring back").click()
    await expect(page.get_by_role("button", name="Bring back")).to_have_count(0)
    assert "pills" in (await others())[0]

    await page.get_by_role("button", name="Close topic").click()
    await expect(page.get_by_role("button", name="Reopen topic")).to_be_visible()
    html, _ = await others()
    assert ("This topic is closed" in html, "Post reply" in html) == (True, False)
    late = await otto.client.post(f"/api/v1/topics/{topic}/posts", json={"text": "x"})
    assert (late.status_code, late.json()["code"]) == (409, "conflict")
    await mail(system, "Re: Tomatoes", "late", "Too late.\n", "one")
    await api.posts(topic, 3)
    assert "Too late." not in (await others())[0]
    await page.goto(where)
    await expect(page.get_by_text("Came by mail after the topic was closed.")).to_be_visible()
    await take(page, "topic-held")
    await page.get_by_role("button", name="Show and send to the members").click()
    await expect(page.get_by_text("Came by mail after the topic was closed.")).to_have_count(0)
    assert "Too late." in (await others())[0]
    await page.get_by_role("button", name="Reopen topic").click()
    await expect(page.get_by_role("button", name="Close topic")).to_be_visible()


async def manage_members(page: Page, system: System, garden: str) -> None:
    await page.goto(f"{system.base_url}/forums/{garden}/members")
    await page.get_by_label("E-mail address").fill("dan@example.net")
    await page.get_by_label("Name", exact=True).fill("Dan")
    await page.get_by_role("button", name="Add member").click()
    await page.get_by_label("Name or address").fill("dan")
    await page.get_by_role("button", name="Search").click()
    await expect(page.locator("tbody tr")).to_have_count(1)
    await page.get_by_label("What Dan gets").select_option("no mail")
    await page.get_by_role("button", name="Save Dan").click()
    await expect(page.get_by_label("What Dan gets")).to_have_value("none")
    await expect(page.get_by_label("Role of Dan")).to_have_count(0)
    await page.get_by_role("button", name="Remove Dan").click()
    await expect(page.get_by_text("Dan was removed")).to_be_visible()
    await expect(page.get_by_label("What Dan gets")).to_have_count(0)
    await take(page, "member-removed")
    await page.get_by_role("button", name="Undo").click()
    await expect(page.get_by_label("What Dan gets")).to_have_value("none")


async def refused(system: System, garden: str, topic: str, otto: Api, api: Api) -> None:
    """A plain user reads the forum; running it is not theirs, by page and by API."""
    (dan,) = (await api.get(f"/forums/{garden}/members?search=dan"))["data"]
    (post, *_) = (await api.get(f"/topics/{topic}/posts"))["data"]
    member = f"/forums/{garden}/members/{dan['id']}"
    for method, path, body in (
        ("GET", f"/api/v1/forums/{garden}/members", None),
        ("POST", f"/api/v1/forums/{garden}/members", {"email": "x@example.net"}),
        ("PATCH", f"/api/v1{member}", {"delivery": "each"}),
        ("DELETE", f"/api/v1{member}", None),
        ("PATCH", f"/api/v1/forums/{garden}", {"name": "x"}),
        ("PATCH", f"/api/v1/topics/{topic}", {"closed": True}),
        ("PATCH", f"/api/v1/posts/{post['id']}", {"state": "removed"}),
        ("GET", f"/forums/{garden}/members", None),
        ("GET", f"/forums/{garden}/settings", None),
        ("POST", f"{member}/remove", None),
    ):
        answer = await otto.client.request(method, path, json=body)
        assert answer.status_code == 403, (method, path, answer.text)
        if path.startswith("/api/"):
            assert answer.json()["code"] == "forbidden"
    for path, form in (
        (f"/forums/{garden}/members", {"email": "x@example.net"}),
        (member, {"delivery": "each"}),
        (f"/forums/{garden}/settings", {"name": "x", "version": "1"}),
        (f"/topics/{topic}/closed", {"closed": "true"}),
        (f"/posts/{post['id']}/state", {"state": "removed"}),
    ):
        assert (await otto.client.post(path, data=form)).status_code == 403, path
    token = await otto.post("/tokens", name="x", scopes=["forums:read", "forums:write"])
    async with Api(system, {"Authorization": f"Bearer {token['secret']}"}) as program:
        answer = await program.client.patch(f"/api/v1/topics/{topic}", json={"closed": True})
        assert answer.json()["code"] == "scope_missing"


async def settings(page: Page, system: System, garden: str) -> None:
    await page.goto(f"{system.base_url}/forums/{garden}")
    await page.get_by_role("link", name="Settings").click()
    await page.get_by_label("Description").fill("All that grows.")
    await page.get_by_label("By invitation").check()
    await page.get_by_label("Members only").check()
    await take(page, "forum-settings")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("All that grows.")).to_be_visible()
    await expect(page.locator("h1 .tag", has_text="hidden")).to_be_visible()


async def hidden(garden: str, topic: str, otto: Api, mona: Api) -> None:
    """Nobody outside finds it; with an old ETag nobody writes it."""
    for path in (
        f"/forums/{garden}", f"/forums/{garden}/new", f"/forums/{garden}/members",
        f"/topics/{topic}", f"/api/v1/forums/{garden}", f"/api/v1/forums/{garden}/topics",
        f"/api/v1/topics/{topic}/posts",
    ):  # fmt: skip
        assert (await otto.client.get(path)).status_code == 404, path
    for path in ("/forums", "/my/forums", "/", "/rules/new"):
        assert "Garden club" not in (await otto.client.get(path)).text, path
    assert (await otto.get("/forums"))["data"] == []
    join = await otto.client.put(f"/api/v1/me/forums/{garden}", json={})
    assert join.status_code == 404
    seen = await mona.client.get(f"/api/v1/forums/{garden}")
    assert seen.headers["ETag"] == f'"{seen.json()["version"]}"'
    patch = {"headers": {"If-Match": '"1"'}, "json": {"name": "x"}}
    stale = await mona.client.patch(f"/api/v1/forums/{garden}", **patch)
    assert (stale.status_code, stale.json()["code"]) == (412, "stale")
