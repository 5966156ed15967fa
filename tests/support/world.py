"""Two accounts full of things, each with a canary in its text, and people who may see some of them.

`first` is the account of the bootstrap token, `beta` another. `build` makes all of it by API, mail
and SQL in a running system; what it returns are plain values, good for any event loop.
"""

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx

from support.client import Api, letter, send
from support.operator import database
from support.system import System
from support.waiting import eventually

PASSWORD = "canary tomatoes in may"
ADMIN, OLGA, OTTO, MONA = "admin", "olga", "otto", "mona"
BEA, BEN, DORA, NOBODY = "bea", "ben", "dora", "nobody"
"""Administrator · owner of a mailbox, another user, and a moderator of forums, all of `first` ·
account administrator and user of `beta` · deactivated · without a credential."""
FIRST = frozenset({ADMIN, OLGA, OTTO, MONA})
BETA = frozenset({BEA, BEN})


@dataclass(frozen=True)
class Thing:
    """One row with an id: who may see it, and who may read its id elsewhere (an audit, a post)."""

    id: str
    kind: str
    seen_by: frozenset[str]
    canary: str = ""
    named_to: frozenset[str] = frozenset()
    run_by: frozenset[str] = frozenset()
    """Of forums and what is in them: who keeps order there."""


@dataclass
class World:
    """What exists, and what each person signs requests with."""

    base_url: str
    things: list[Thing] = field(default_factory=list)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(
        self,
        kind: str,
        thing: object,
        seen_by: Iterable[str],
        canary: str = "",
        named_to: Iterable[str] = (),
        run_by: Iterable[str] = (),
    ) -> str:
        """Note a thing; return its id."""
        made = Thing(
            str(thing), kind, frozenset(seen_by), canary, frozenset(named_to), frozenset(run_by)
        )
        self.things.append(made)
        return made.id

    def hidden_from(self, who: str) -> list[Thing]:
        """What this person must never see."""
        return [one for one in self.things if who not in one.seen_by]

    def client(self, who: str) -> httpx.AsyncClient:
        """A client that asks as this person."""
        return httpx.AsyncClient(
            base_url=self.base_url, headers=self.headers.get(who, {}), timeout=20
        )

    def leaks(self, who: str, answer: str) -> list[str]:
        """The ids and canaries in an answer that this person must not see."""
        hidden = [one for one in self.hidden_from(who) if who not in one.named_to]
        words = [one.id for one in hidden if not one.id.isdigit()]
        words += [one.canary for one in hidden if one.canary]
        return [word for word in words if word in answer]


async def build(system: System) -> World:
    """Fill a running system."""
    world = World(system.base_url)
    world.headers[ADMIN] = {"Authorization": f"Bearer {system.admin_token}"}
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(Api(system))
        worker = await stack.enter_async_context(database(system))
        beta = await _account(system, stack, world)
        await _people(system, world, admin, beta)
        bea = await stack.enter_async_context(Api(system, world.headers[BEA]))
        olga = await stack.enter_async_context(Api(system, world.headers[OLGA]))
        await _mailboxes(system, world, admin, bea, worker)
        await _forum(world, admin, "first.example", FIRST, ADMIN)
        await _forum(world, bea, "beta.example", BETA, BEA)
        await _hidden_forum(world, admin, "first.example", {ADMIN, MONA}, ADMIN)
        await _hidden_forum(world, bea, "beta.example", {BEA}, BEA)
        await _services(world, admin, FIRST, ADMIN)
        await _services(world, bea, BETA, BEA)
        await _set_aside(world, worker)
        await _operations(world, {ADMIN: admin, BEA: bea})
        await _own(world, {ADMIN: admin, BEA: bea, OLGA: olga}, worker)
    return world


async def _account(system: System, stack: AsyncExitStack, world: World) -> Api:
    """Make the second account; the API of an administrator who is at work there."""
    made = await stack.enter_async_context(Api(system, {}))
    client = made.client
    form = {"email": system.admin_email, "password": system.admin_password}
    assert (await client.post("/sign-in", data=form)).status_code == 303
    me = await made.get("/me")
    world.add("account", me["account"], FIRST)
    world.add("user", me["id"], {ADMIN}, named_to={OLGA, OTTO, MONA, BEA})
    account = (await made.post("/accounts", name="canary-account-beta"))["id"]
    world.add("account", account, {ADMIN, *BETA}, "canary-account-beta")
    assert (await client.post(f"/api/v1/accounts/{account}/enter")).status_code == 204
    return made


async def _people(system: System, world: World, admin: Api, beta: Api) -> None:
    for where, name, role in (
        (admin, OLGA, "user"), (admin, OTTO, "user"), (admin, MONA, "user"),
        (admin, DORA, "user"),
        (beta, BEA, "account_administrator"), (beta, BEN, "user"),
    ):  # fmt: skip
        canary = f"canary-user-{name}"
        made = await where.post("/users", email=f"{name}@people.example", name=canary, role=role)
        async with httpx.AsyncClient(base_url=system.base_url, timeout=20) as client:
            form = {"name": canary, "password": PASSWORD, "again": PASSWORD}
            assert (await client.post(made["link"], data=form)).status_code == 303
            form = {"email": f"{name}@people.example", "password": PASSWORD}
            assert (await client.post("/sign-in", data=form)).status_code == 303
            world.headers[name] = {
                "Cookie": f"postroom_session={client.cookies['postroom_session']}"
            }
        manager = ADMIN if where is admin else BEA
        names = {OLGA, OTTO} if name in {OLGA, OTTO} else {BEN}  # who shares, and who posts
        world.add("user", made["user"]["id"], {manager, name}, canary, names)
        if name == DORA:
            change = {"state": "deactivated"}
            path = f"/api/v1/users/{made['user']['id']}"
            assert (await admin.client.patch(path, json=change)).status_code == 200
    for where, manager in ((admin, ADMIN), (beta, BEA)):
        canary = f"canary-invited-by-{manager}"
        made = await where.post("/users", email=f"{canary}@people.example", name=canary)
        world.add("user", made["user"]["id"], {manager}, canary)
        world.add("link", made["link"].rpartition("/")[2], (), made["link"].rpartition("/")[2])


async def _mailboxes(
    system: System, world: World, admin: Api, bea: Api, worker: asyncpg.Connection
) -> None:
    for api, manager in ((admin, ADMIN), (bea, BEA)):
        rule = await api.post(
            "/rules", name=f"canary-rule-of-{manager}", condition=CONDITION,
            actions=[{"kind": "add_tag", "tag": "x"}],
        )  # fmt: skip
        world.add("rule", rule["id"], {manager}, f"canary-rule-of-{manager}")
        await _example(world, api, rule["id"], {manager}, f"canary-example-of-{manager}")
        gone = f"canary-deleted-{manager}"
        box = (await api.post("/mailboxes", name=gone, source={"type": "smtp"}))["id"]
        assert (await api.client.delete(f"/api/v1/mailboxes/{box}")).status_code == 204
        world.add("deleted", box, {manager}, gone)
        await _domain(world, api, manager)
        await _suppression(world, api, manager)
        await _webhook(world, api, manager, worker)
    people = {one.canary: one.id for one in world.things if one.kind == "user"}
    for name, api, owner, sharer, seen in (
        ("system", admin, None, None, {ADMIN}),
        ("olgas", admin, OLGA, None, {ADMIN, OLGA}),
        ("shared", admin, OLGA, OTTO, {ADMIN, OLGA, OTTO}),
        ("beta", bea, None, None, {BEA}),
        ("bens", bea, BEN, None, {BEA, BEN}),
    ):
        canary = f"canary-box-{name}"
        address = f"{canary}@{'first' if api is admin else 'beta'}.example"
        source = {"type": "smtp", "addresses": [address]}
        box = (await api.post("/mailboxes", name=canary, source=source))["id"]
        world.add("mailbox", box, seen, canary)
        if owner:
            await _owned(worker, box, people[f"canary-user-{owner}"])
        if sharer:
            await worker.execute(
                "INSERT INTO config.mailbox_share (mailbox, person, account, level, granted_by)"
                " SELECT id, $2, account, 'read', owner FROM config.mailbox WHERE id = $1",
                box, people[f"canary-user-{sharer}"],
            )  # fmt: skip
        rule = await api.post(
            "/rules", mailbox=box, name=f"canary-rule-{name}", condition=CONDITION,
            actions=[{"kind": "add_tag", "tag": f"canary-tag-{name}"}],
        )  # fmt: skip
        world.add("rule", rule["id"], seen, f"canary-rule-{name}")
        await _example(world, api, rule["id"], seen, f"canary-example-{name}")
        mail = letter(
            "anna@example.net", address, f"canary-subject-{name}", f"canary-text-{name}\n"
        )
        file = f"canary-file-{name}"
        mail.add_attachment(file.encode(), "application", "x-canary", filename="a.bin")
        await asyncio.to_thread(send, system, mail, "anna@example.net", address)
        world.add("text", file, seen)
        row = await _mail_of(api, box)
        world.add("message", row["id"], seen, f"canary-subject-{name}")
        world.add("text", f"canary-text-{name}", seen)
        await _ticket(world, worker, name, box, row["id"], seen)
    for api, owner, manager in ((admin, OLGA, ADMIN), (bea, BEN, BEA)):
        canary = f"canary-fetched-{owner}"
        source = {"type": "imap", "host": "imap.invalid", "login": "x", "password": "x"}
        box = (await api.post("/mailboxes", name=canary, source=source, active=False))["id"]
        world.add("mailbox", box, {manager, owner}, canary)
        await _owned(worker, box, people[f"canary-user-{owner}"])


async def _example(world: World, api: Api, rule: str, seen: set[str], canary: str) -> None:
    """A mail that is kept with a rule."""
    raw = f"From: x@example.net\nSubject: {canary}\n\nx\n"
    made = await api.post(f"/rules/{rule}/examples", raw=raw, expects=False)
    world.add("example", made["id"], seen, canary)


async def _domain(world: World, api: Api, manager: str) -> None:
    """A domain with a key that nobody but its managers knows of, and that is held back."""
    domain = f"canary-domain-{manager}.example"
    source = {"type": "smtp", "addresses": [f"box@{domain}"]}
    box = (await api.post("/mailboxes", name=f"canary-domained-{manager}", source=source))["id"]
    world.add("mailbox", box, {manager}, f"canary-domained-{manager}")
    (key,) = (await api.post(f"/domains/{domain}/keys", algorithm="ed25519"))["keys"]
    await api.post("/queue", domain=domain)
    world.add("domain", domain, {manager})
    world.add("selector", key["selector"], {manager})


async def _suppression(world: World, api: Api, manager: str) -> None:
    """An address that nothing is sent to; its managers alone know of it."""
    canary = f"canary-suppressed-{manager}"
    made = await api.post("/suppressions", address=f"{canary}@example.net", words=canary)
    world.add("suppression", made["id"], {manager}, canary)


async def _webhook(world: World, api: Api, manager: str, worker: asyncpg.Connection) -> None:
    """A program that is called, and a call that failed."""
    canary = f"canary-webhook-{manager}"
    made = await api.post("/webhooks", name=canary, url=f"https://{canary}.invalid/")
    world.add("webhook", made["webhook"]["id"], {manager}, canary)
    call = f"whc_{manager}".replace("@", "-")
    await worker.execute(
        "INSERT INTO config.webhook_call (id, account, webhook, mail, body, state,"
        " next_attempt_at, created_at) SELECT $1, account, id, 'msg_x', '{}', 'dead', now(), now()"
        " FROM config.webhook WHERE id = $2",
        call, made["webhook"]["id"],
    )  # fmt: skip
    world.add("call", call, {manager})


async def _ticket(
    world: World, worker: asyncpg.Connection, name: str, box: str, mail: str, seen: set[str]
) -> None:
    """A matter that a mailbox's mail opened."""
    ticket, canary = f"tkt_{name}", f"canary-ticket-{name}"
    await worker.execute(
        "INSERT INTO config.ticket (id, account, number, token, mailbox, queue, subject, requester,"
        " opened_at, changed_at) SELECT $1, account, $2, 'x', id, '', $3, '', now(), now()"
        " FROM config.mailbox WHERE id = $4",
        ticket, sum(name.encode()), canary, box,
    )  # fmt: skip
    await worker.execute(
        "INSERT INTO config.ticket_mail (account, ticket, mail, at, what, message_ids)"
        " SELECT account, id, $2, now(), 'opened', '{}' FROM config.ticket WHERE id = $1",
        ticket, mail,
    )  # fmt: skip
    world.add("ticket", ticket, seen, canary)


async def _owned(worker: asyncpg.Connection, box: str, person: str) -> None:
    await worker.execute(
        "UPDATE config.mailbox SET owner = $2, kind = 'user' WHERE id = $1", box, person
    )


CONDITION = {"kind": "test", "field": "subject", "operator": "contains", "values": ["canary"]}


async def _mail_of(api: Api, box: str) -> Any:
    async def ask() -> Any:
        return next((m for m in await api.all("/messages") if m["mailbox"] == box), None)

    return await eventually(ask, what=f"the mail of {box}")


async def _forum(world: World, api: Api, domain: str, seen: frozenset[str], manager: str) -> None:
    name = f"canary-forum-{manager}"
    forum = await api.forum(name, f"{name}@{domain}", f"canary-member-{manager}@example.net")
    runs = {manager, MONA} & seen
    world.add("forum", forum, seen, name, run_by=runs)
    world.add("member", f"canary-member-{manager}@example.net", runs)
    await _moderated(api, forum, runs)
    for one in await api.all(f"/forums/{forum}/members"):
        world.add("membership", one["id"], runs, run_by=runs)
    subject, text = f"canary-topic-{manager}", f"canary-post-{manager}"
    post = await api.post(f"/forums/{forum}/topics", subject=subject, text=text)
    (topic,) = await api.topics(forum, 1)
    world.add("topic", topic["id"], seen, subject, run_by=runs)
    world.add("post", post["id"], seen, text, run_by=runs)
    box = next(one for one in (await api.get("/mailboxes"))["data"] if one["forum"] == forum)
    world.add("mailbox", box["id"], {manager})

    async def delivered() -> Any:
        return (await api.get("/deliveries"))["data"]

    for one in await eventually(delivered, what="the copy"):
        world.add("delivery", one["serial"], {manager})


async def _moderated(api: Api, forum: str, runs: Iterable[str]) -> None:
    if MONA in runs:
        email = f"{MONA}@people.example"
        await api.post(f"/forums/{forum}/members", email=email, delivery="none", role="moderator")


async def _hidden_forum(world: World, api: Api, domain: str, seen: set[str], manager: str) -> None:
    """One that only those in it know of."""
    name = f"canary-hidden-forum-{manager}"
    forum = await api.forum(name, f"{name}@{domain}")
    world.add("forum", forum, seen, name, run_by=seen)
    await _moderated(api, forum, seen)
    hide = {"visible": "members", "joining": "invite"}
    assert (await api.client.patch(f"/api/v1/forums/{forum}", json=hide)).status_code == 200
    subject, text = f"canary-hidden-topic-{manager}", f"canary-hidden-post-{manager}"
    post = await api.post(f"/forums/{forum}/topics", subject=subject, text=text)
    world.add("topic", post["topic"], seen, subject, run_by=seen)
    world.add("post", post["id"], seen, text, run_by=seen)
    for one in await api.all(f"/forums/{forum}/members"):
        world.add("membership", one["id"], seen, run_by=seen)


async def _services(world: World, api: Api, seen: frozenset[str], manager: str) -> None:
    """One that users may choose, with a link to connect by, and one that they may not."""
    for name, who in (("open", seen), ("closed", frozenset({manager}))):
        canary = f"canary-service-{name}-{manager}"
        made = await api.post("/services", name=canary, imap={"host": "imap.invalid"})
        world.add("service", made["id"], who, canary)
        if name == "open":
            await api.post(f"/services/{made['id']}/permission")
            email = f"{OLGA if manager == ADMIN else BEN}@people.example"
            link = await api.post("/connect-links", person=email, service=made["id"])
            secret = link["url"].rpartition("/")[2]
            world.add("connect_link", secret, {OLGA if manager == ADMIN else BEN}, secret)


async def _set_aside(world: World, worker: asyncpg.Connection) -> None:
    for (account,) in await worker.fetch("SELECT id FROM config.account"):
        manager = BEA if BEA in _seers(world, account) else ADMIN
        canary = f"canary-aside-{manager}"
        await worker.execute(
            "INSERT INTO config.set_aside (id, account, service, subject, reason, deliveries,"
            " sequence, stored_at) VALUES ($1, $2, 'rules', 'x', $3, 1, 1, now())",
            f"asd_{manager}", account, canary,
        )  # fmt: skip
        world.add("set_aside", f"asd_{manager}", {manager}, canary)


def _seers(world: World, thing: str) -> frozenset[str]:
    return next(one.seen_by for one in world.things if one.id == thing)


async def _operations(world: World, apis: dict[str, Api]) -> None:
    for who, api in apis.items():
        source = {"type": "imap", "host": "imap.invalid", "login": "x", "password": "x"}
        made = await api.post("/mailboxes/test", name="x", source=source)

        async def ended(api: Api = api, operation: str = made["id"]) -> bool:
            return bool((await api.get(f"/operations/{operation}"))["state"] != "running")

        await eventually(ended, what="the test")
        world.add("operation", made["id"], {who})


async def _own(world: World, apis: dict[str, Api], worker: asyncpg.Connection) -> None:
    """Tokens and sessions: of each person alone, and (tokens) of those who manage."""
    for who, api in apis.items():
        canary = f"canary-token-{who}"
        made = await api.post("/tokens", name=canary, scopes=["forums:read"])
        phrase = f"canary-submission-{who}"
        drawn = await api.post("/me/submission-passwords", name=phrase)
        seen = {who, ADMIN} if who == OLGA else {who}
        world.add("submission", drawn["password"]["id"], seen, phrase)
        world.add("secret", drawn["secret"], (), drawn["secret"])
        world.add("token", made["token"]["id"], seen, canary)
        world.add("secret", made["secret"], (), made["secret"])
    people = {one.id: one.canary.removeprefix("canary-user-") for one in world.things}
    for row in await worker.fetch("SELECT id, person FROM config.session"):
        who = people[row["person"]] or ADMIN
        world.add("session", row["id"], {who})
