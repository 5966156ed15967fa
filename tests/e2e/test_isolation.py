"""Other people's things: every route with every id that exists, by everybody.

Laws: a new route of the description or a new page is walked by itself; one with a body needs a line
in BODIES. Nobody reads an id or a canary of what is not theirs, and nothing of it is changed. Left
out is only what another request stands for: a thing that is to the asker as one that was asked for,
an id of another kind that another person tries, and at a shut door all but one.
"""

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx
import pytest

from postroom_api.http.application import litestar_of
from support import bare_http, world
from support.bare_http import BareHttp
from support.operator import database, forum_database
from support.system import System
from support.world import ADMIN, BEA, BEN, DORA, MONA, NOBODY, OLGA, OTTO, Thing, World

ASKERS = (OLGA, OTTO, MONA, BEN, BEA, ADMIN, DORA, NOBODY)
OUTSIDE = {DORA, NOBODY}
AT_ONCE = 8
PLACES = {
    "entry": "set_aside", "serial": "delivery", "person": "user", "secret": "connect_link",
    "member": "membership", "password": "submission",
}  # fmt: skip
FILTERS = {"owner": "user", "person": "user", "origin": "post"}
"""Places in paths (and queries) that are not called by the kind of thing that stands there."""
ANSWERS_EACH = {"changeMailboxes", "orderServices", "markMessages", "markMatchingMessages"}
"""200 with a no for each; `snapshot` tells that nothing was done."""
SHUT_OTHERWISE = {"enterAccount": [409], "useConnectLink": [410]}
"""No token enters an account, whatever it names; a link that is none is as one that was used."""
CONTINUED = {"listMailboxes", "listMessages", "listUsers", "listAudit"}
"""Lists that must be long enough here to have a second page."""
RUNNING = {
    "changeForum", "listMembers", "addMember", "changeMember", "removeMember", "changeTopic",
    "moderatePost",
}  # fmt: skip
"""What only those who run a forum do, whoever else sees it."""
NAMED = {"mailbox", "forum", "user", "service", "message", "rule"}
"""What bodies name; other things are put there by two people only."""
KINDLESS = {"text", "secret", "member"}
"""Things that are no ids."""
Body = Callable[[str], Any]


def _source(address: str) -> dict[str, Any]:
    return {"type": "smtp", "addresses": [address]}


SERVER = {"type": "imap", "host": "imap.invalid", "login": "x", "password": "x"}
NO_RULES = '{"postroom_rules": 1, "rules": []}'
POSTING = [{"kind": "post_to_forum", "forum": "ID"}]
TAGGING = [{"kind": "add_tag", "tag": "x"}]
BODIES: dict[str, list[Body]] = {
    "createAccount": [lambda _: {"name": "x"}],
    "renameAccount": [lambda _: {"name": "x"}],
    "removeAccount": [lambda _: {"name": "canary-account-beta"}],
    "createForum": [lambda _: {"name": "x", "address": "canary-forum-bea@beta.example"}],
    "changeForum": [lambda _: {"name": "x"}],
    "importMails": [lambda _: {"messages": [{"raw": "eA=="}]}],
    "addMember": [lambda _: {"email": "x@example.net"}],
    "changeMember": [lambda _: {"delivery": "none"}],
    "joinForum": [lambda _: {"delivery": "none"}],
    "changeTopic": [lambda _: {"closed": True}],
    "moderatePost": [lambda _: {"state": "removed"}],
    "createTopic": [lambda _: {"subject": "x", "text": "x"}],
    "createPost": [lambda _: {"text": "x"}, lambda one: {"text": "x", "parent": one}],
    "createMailbox": [lambda _: {"name": "x", "source": _source("canary-box-beta@beta.example")}],
    "changeMailbox": [lambda _: {"name": "x"}],
    "testMailbox": [lambda _: {"name": "x", "source": SERVER}],
    "testStoredMailbox": [lambda _: {}],
    "handOverMailbox": [lambda one: {"owner": one}],
    "createRule": [
        lambda one: {"name": "x", "condition": world.CONDITION, "actions": TAGGING, "mailbox": one},
        lambda one: {
            "name": "x", "condition": world.CONDITION,
            "actions": [{"kind": "post_to_forum", "forum": one}],
        },
    ],
    "changeMailboxes": [lambda one: {"action": "remove", "mailboxes": [one]}],
    "discoverMailbox": [lambda _: {"address": "x@first.invalid"}],
    "createService": [lambda _: {"name": "x"}],
    "changeService": [lambda _: {"name": "x"}],
    "orderServices": [lambda one: {"services": [one]}],
    "restrictService": [lambda _: {}],
    "changeMailboxPolicy": [lambda _: {"mailboxes_per_user": 10}],
    "shareMailbox": [lambda _: {"person": "ben@people.example", "level": "read"}],
    "createConnectLink": [lambda one: {"person": one, "service": one}],
    "useConnectLink": [lambda _: {"name": "x", "kind": "user", "source": SERVER}],
    "changeRule": [lambda _: {"name": "x"}],
    "rollbackRule": [lambda _: {"version": 1}],
    "createRuleExample": [
        lambda _: {"raw": "Subject: x\n\nx\n", "expects": True},
        lambda one: {"message": one, "expects": True},
    ],
    "createBacktest": [
        lambda one: {"rule": one, "days": 1},
        lambda one: {
            "draft": {"condition": world.CONDITION, "actions": TAGGING}, "mailbox": one, "days": 1,
        },
    ],
    "tryRules": [lambda one: {"mailbox": one, "raw": "Subject: x\n\nx\n"}],
    "inviteUser": [lambda _: {"email": "bea@people.example", "name": "x"}],
    "changeUser": [lambda _: {"name": "x"}],
    "changeMe": [lambda _: {}],
    "changePassword": [lambda _: {"current": "x", "password": "x"}],
    "confirmSecondFactor": [lambda _: {"code": "0"}],
    "renewRecoveryCodes": [lambda _: {"code": "0"}],
    "removeSecondFactor": [lambda _: {"code": "0"}],
    "createSubmissionPassword": [lambda _: {"name": "x"}],
    "createDomainKey": [lambda _: {"algorithm": "ed25519"}],
    "markMessages": [lambda one: {"messages": [one], "mark": "read"}],
    "markMatchingMessages": [lambda one: {"matching": {"mailbox": one}, "mark": "read"}],
    "erasePerson": [lambda _: {"address": "nobody@nowhere.example"}],
    "importRules": [
        lambda _: {"format": "json", "text": NO_RULES},
        lambda one: {"format": "json", "text": NO_RULES, "mailbox": one},
    ],
    "changeSpamFilter": [lambda _: {"mark_at": 90}],
    "listSender": [lambda _: {"list": "blocked", "entry": "x.example"}],
    "changeTicket": [lambda _: {"state": "closed"}],
    "createWebhook": [lambda _: {"name": "x", "url": "https://x.example/"}],
    "changeWebhook": [lambda _: {"name": "x"}],
    "holdDestination": [lambda _: {"domain": "x.example"}],
    "changeSmtp": [lambda _: {"open": True}],
    "changeDomainKey": [lambda _: {"state": "retired"}],
    "createSuppression": [lambda _: {"address": "x@example.net"}],
    "createToken": [lambda _: {"name": "x", "scopes": ["users:read"]}],
}  # fmt: skip
"""A body for every route that takes one, from an id; what it makes must harm nobody."""


@dataclass(frozen=True)
class Route:
    """One operation of the description."""

    method: str
    path: str
    operation: str
    places: tuple[str, ...]
    """What stands in the path, by kind."""
    choices: tuple[str, ...] = ()
    """What the one place may be, where it is no id."""
    filters: tuple[str, ...] = ()
    feed: bool = False
    bodies: tuple[Body, ...] = ()

    @property
    def changes(self) -> bool:
        return self.method != "GET"

    def at(self, *places: str) -> str:
        """The path with these in its places."""
        rest = iter(places)
        return re.sub(r"\{[^}]+\}", lambda _: next(rest), self.path)


@dataclass(frozen=True)
class Call:
    """One request, and about what."""

    route: Route
    url: str
    about: Thing | None = None
    body: Any = None
    named: Thing | None = None
    """A thing that only the body or the query names."""


@dataclass
class Found:
    """What was asked and what was wrong with the answers."""

    wrong: list[str] = field(default_factory=list)
    opened: set[tuple[str, str]] = field(default_factory=set)
    asked: int = 0


def routes_of(description: dict[str, Any]) -> Iterator[Route]:
    """Every operation; fails for one that takes a body and has no line in BODIES."""
    for described, methods in description["paths"].items():
        path = described.replace("{number}", "1")  # every mail of the world has one attachment
        for method, one in methods.items():
            name = one["operationId"]
            parameters = one.get("parameters", [])
            placed = {p["name"]: p["schema"] for p in parameters if p["in"] == "path"}
            places = [PLACES.get(place, place) for place in re.findall(r"\{(\w+)\}", path)]
            enums = [schema["enum"] for schema in placed.values() if "enum" in schema]
            assert "requestBody" not in one or name in BODIES, f"no rule for the body of {name}"
            yield Route(
                method.upper(), path, name, tuple(places),
                choices=tuple(enums[0]) if enums else (),
                filters=tuple(p["name"] for p in parameters if p["in"] == "query"),
                feed="text/event-stream" in str(one["responses"]),
                bodies=tuple(BODIES[name]) if "requestBody" in one else (),
            )  # fmt: skip


def calls_of(route: Route, who: str, made: World) -> Iterator[Call]:
    """What this person asks of a route."""
    ids = [one for one in made.things if one.kind not in KINDLESS]
    if who in OUTSIDE:  # what is named makes no difference: the door is shut
        own = [one for one in ids if one.kind in route.places]
        ids = (own or ids)[:1]
    if not route.places or route.choices:
        for place in route.choices or ("",):
            yield from _whole_calls(route, who, route.at(place), ids)
        return
    if route.places == ("delivery",):
        ids = [one for one in ids if one.kind == "delivery"]  # a number
    kind = route.places[0]
    for one in _asked(ids, kind, who):
        if route.changes and who in theirs(route, one):
            continue  # it would be theirs to change
        others = [other.id for other in _some(ids, "")][: len(route.places) - 1]
        for body in route.bodies or (None,):
            yield Call(route, route.at(one.id, *others), one, body(one.id) if body else None)
    mine = next((one for one in ids if one.kind == kind and who in one.seen_by), None)
    if mine is not None and who not in OUTSIDE:
        yield from _mixed_calls(route, who, mine, ids)


def theirs(route: Route, thing: Thing) -> frozenset[str]:
    """Those whose thing it is, as far as this route is concerned."""
    return thing.run_by if route.operation in RUNNING and thing.run_by else thing.seen_by


def _asked(things: list[Thing], kind: str, who: str) -> list[Thing]:
    """All things of the kind that belongs there; of the other kinds one each, by one of two."""
    fitting = [one for one in things if one.kind == kind]
    if not fitting:
        return _some(things, kind)
    others = [one for one in _some(things, kind) if one.kind != kind]
    turn = {OTTO: others[::2], BEA: others[1::2]}
    return [*turn.get(who, ()), *fitting]


def _some(things: list[Thing], kind: str) -> list[Thing]:
    """All of one kind, and one each of the others."""
    others = {one.kind: one for one in things if one.kind != kind}
    return [*others.values(), *(one for one in things if one.kind == kind)]


def _alike(things: list[Thing], who: str) -> list[Thing]:
    """One each of those that are of a kind and an account, and that are as much this person's."""
    return [
        *{
            (
                one.kind,
                bool(one.seen_by & world.BETA),
                *(who in people for people in (one.seen_by, one.named_to, one.run_by)),
            ): one
            for one in things
        }.values()
    ]


def _mixed_calls(route: Route, who: str, mine: Thing, ids: list[Thing]) -> Iterator[Call]:
    """Theirs in the path, together with what is not."""
    foreign = _alike([one for one in ids if who not in one.seen_by | one.named_to], who)
    for other in foreign:
        if len(route.places) > 1:
            said = route.bodies[0](other.id) if route.bodies else None
            yield Call(route, route.at(mine.id, other.id), other, said)
            continue
        for body in route.bodies:
            if body("a") != body("b"):
                yield Call(route, route.at(mine.id), None, body(other.id), other)


def _whole_calls(route: Route, who: str, url: str, ids: list[Thing]) -> Iterator[Call]:
    if not route.bodies:
        yield Call(route, url)
        for name in route.filters:
            kind = FILTERS.get(name, name)
            for one in [one for one in ids if one.kind == kind] or _some(ids, "")[:3]:
                yield Call(route, f"{url}?{name}={one.id}", named=one)
    for body in route.bodies:
        if body("a") == body("b"):
            yield Call(route, url, None, body(""))
            continue
        for one in _alike(ids, who):
            if one.kind in NAMED or who in {OTTO, BEA}:
                yield Call(route, url, None, body(one.id), one)


def judge(call: Call, who: str, status: int, text: str, made: World) -> Iterator[str]:
    """What is wrong with an answer."""
    where = f"{who}: {call.route.method} {call.url} {call.body or ''} → {status}"
    if status >= 500:
        yield f"{where}: our fault: {text[:300]}"
    if who in OUTSIDE and status != 401:
        yield f"{where}: somebody came in"
    about = call.about
    hidden = about is not None and who not in theirs(call.route, about) and who not in OUTSIDE
    shut = {403, 404, *SHUT_OTHERWISE.get(call.route.operation, ())}
    if hidden and status not in shut:
        yield f"{where}: not shut: {text[:200]}"
    foreign = call.named is not None and who not in call.named.seen_by and call.body is not None
    if foreign and status < 400 and call.route.operation not in ANSWERS_EACH:
        yield f"{where}: took what is not theirs: {text[:200]}"
    for word in made.leaks(who, _without_echo(text, call)):
        yield f"{where}: shows {word}"


def _without_echo(text: str, call: Call) -> str:
    """The answer without what the asker said themselves."""
    said = re.findall(r"[\w@.-]{6,}", f"{json.dumps(call.body)} {call.url.partition('?')[2]}")
    for word in sorted(said, key=len, reverse=True):
        text = text.replace(word, "")
    return text


async def pages_further(made: World, routes: list[Route]) -> list[Call]:
    """The second page of every list, by the cursors that the managers of both accounts get."""
    calls = []
    for who in (ADMIN, BEA):
        async with made.client(who) as client:
            for route in [one for one in routes if "cursor" in one.filters]:
                for place in [one.id for one in made.things if [one.kind] == [*route.places]] or [
                    ""
                ]:
                    answer = await client.get(f"{route.at(place)}?limit=1")
                    cursor = answer.json().get("next_cursor")
                    if cursor:
                        calls.append(Call(route, f"{route.at(place)}?cursor={cursor}"))
    return calls


async def walk(
    made: World, who: str, routes: list[Route], further: list[Call], found: Found
) -> None:
    """Ask everything as one person, some at once."""
    asked = [call for route in routes for call in calls_of(route, who, made)]
    calls = iter([*asked, *further])

    async def worker(client: BareHttp) -> None:
        for call in calls:
            status, text = await client.ask(call.route.method, call.url, call.body)
            found.asked += 1
            found.wrong += judge(call, who, status, text, made)
            if status < 300:
                found.opened.add((who, call.route.operation))

    async with bare_http.many(made.base_url, made.headers.get(who, {}), AT_ONCE) as clients:
        await asyncio.gather(*map(worker, clients))


UNCHANGED = {
    "config.mailbox": "id, account, name, kind, active, owner",
    "config.rule": "id, account, name, active, position",
    "config.rule_example": "id, account, rule, name",
    "config.person": "id, account, name, role, state, password_hash",
    "config.message": "id, account, mailbox, deleted_at",
    "config.set_aside": "id, account, redone_at",
    "config.account": "id, name, removed_at",
    "config.mailbox_share": "mailbox, person, level",
    "config.link": "hash, person",
    "config.mail_service": "id, account, name, active, permitted",
    "forum.forum": "id, account, name, joining, visible, version",
    "forum.member": "id, forum, role, delivery, state",
    "forum.topic": "id, forum, closed",
    "forum.post": "id, forum, held, removed_at",
}


async def snapshot(*logins: asyncpg.Connection) -> dict[str, set[tuple[Any, ...]]]:
    """What must be there at the end as it was at the beginning; the logins of api and forums."""
    found = {}
    for table, columns in UNCHANGED.items():
        connection = logins[table.startswith("forum.")]
        rows = await connection.fetch(f"SELECT {columns} FROM {table}")
        found[table] = {tuple(row) for row in rows}
    return found


@pytest.fixture
async def full(system: System, untouched: System) -> World:
    """A system with two accounts full of things."""
    system.begin_as(untouched)
    system.start()
    await system.wait_ready()
    return await world.build(system)


@pytest.mark.timeout(400)
async def test_nobody_reaches_what_is_not_theirs(system: System, full: World) -> None:
    """By API and by page, whoever asks for whatever: theirs, or a no that tells nothing."""
    async with httpx.AsyncClient(base_url=system.base_url) as client:
        description = (await client.get("/schema/openapi.json")).json()
    routes = list(routes_of(description))
    found = Found()
    async with database(system) as config, forum_database(system) as forums:
        before = await snapshot(config, forums)
        further = await pages_further(full, routes)
        assert {call.route.operation for call in further} >= CONTINUED
        for who in ASKERS:
            await walk(full, who, routes, further, found)
        assert found.asked > 3_000, "the walk is shorter than it was"
        assert not found.wrong, "\n".join([f"{len(found.wrong)} wrong", *found.wrong[:40]])
        shut = {one.operation for one in routes if not one.changes} - {
            operation for who, operation in found.opened if who in {ADMIN, BEA}
        }
        assert not shut, f"nobody could open {shut}: that proves nothing"
        await walk_pages(full, found)
        assert not found.wrong, "\n".join([f"{len(found.wrong)} wrong", *found.wrong[:40]])
        after = await snapshot(config, forums)
    for table, rows in before.items():
        assert rows <= after[table], (table, rows - after[table])


def pages() -> list[tuple[str, str]]:
    """(method, path) of every page; a new one is here by itself."""
    found = []
    for route in litestar_of(None, None, "1").routes:
        if route.path.startswith(("/api/", "/static", "/schema")):
            continue
        path = route.path.replace("{number:int}", "1")
        found += [(method, path) for method in getattr(route, "methods", ())]
    return [one for one in found if one[0] in {"GET", "POST"}]


OPENING = {*KINDLESS, "link", "connect_link"}
"""Whoever has a link is the one it was made for."""
OWN_PAGES = {"/sign-out", "/profile/password"}
"""Would end the session that asks."""


async def walk_pages(made: World, found: Found) -> None:
    """Every page with every id, as users of both accounts, a manager and nobody."""
    for who in (OTTO, MONA, BEA, NOBODY):
        async with BareHttp(made.base_url, made.headers.get(who, {})) as client:
            for method, path in pages():
                await _walk_page(made, client, who, (method, path), found)


async def _walk_page(
    made: World, client: BareHttp, who: str, page: tuple[str, str], found: Found
) -> None:
    method, path = page
    place = re.search(r"\{([^:}]+):?\w*\}", path)
    things: list[Thing | None] = [None]
    if place:
        kind = PLACES.get(place.group(1), place.group(1))
        ids = [one for one in made.things if one.kind not in OPENING]
        things = _alike(_asked(ids, kind, who), who)[: 1 if who == NOBODY else None]
    if method == "POST" and (path in OWN_PAGES or not place):
        return
    for one in things:
        if method == "POST" and one is not None and who in one.seen_by:
            continue
        url = path.replace(place.group(0), one.id) if place and one else path
        status, text = await client.ask(method, url)
        found.asked += 1
        words = [f"our fault: {text[:200]}"] if status >= 500 else []
        words += [f"shows {word}" for word in made.leaks(who, text)]
        found.wrong += [f"{who}: {method} {url} → {status}: {said}" for said in words]
