"""The api's handlers over a real database, without a broker."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

import pytest

from postroom_api.domain.letters import Letter
from postroom_api.domain.values import Principal
from postroom_api.http.catalogue import Catalogue
from postroom_api.http.connecting import Connecting
from postroom_api.http.example_runs import ExampleRuns
from postroom_api.http.links_by_mail import LinksByMail
from postroom_api.http.office import Office
from postroom_api.http.sharing import Sharing
from postroom_api.postgres.access import Access
from postroom_api.postgres.connect_links import ConnectLinks
from postroom_api.postgres.deleted_mailboxes import DeletedMailboxes
from postroom_api.postgres.grid import Grid
from postroom_api.postgres.mail_services import MailServices
from postroom_api.postgres.mailboxes import Mailboxes
from postroom_api.postgres.people import DEFAULT_ACCOUNT, People
from postroom_api.postgres.rule_examples import RuleExamples
from postroom_api.postgres.rules import Rules
from postroom_api.postgres.service_changes import ServiceChanges
from postroom_api.postgres.shares import Shares
from postroom_api.postgres.worker import Worker
from postroom_api.sealing import FetcherSeal
from postroom_runtime.clock import Clock
from postroom_runtime.postgres import Database
from postroom_runtime.sealing import public_key_of
from support.servers import Database as Made

Somebody = Callable[..., Awaitable[Principal]]


class Silent:
    """A publisher that has always published."""

    async def settled(self, seconds: float) -> bool:
        return True


class Postbox:
    """Keeps the letters that would be sent."""

    base_url = "https://post.example.org"

    def __init__(self) -> None:
        self.letters: list[Letter] = []

    async def send(self, letter: Letter) -> None:
        self.letters.append(letter)


class Still:
    """No check is under way."""

    def under_way(self, account: str, mailbox: str) -> None:
        return None


class NoForums:
    """Services without a forum, that accept every rule."""

    async def ask(self, request: Any) -> Any:
        from postroom_contract.forum import Forums, ListForums
        from postroom_contract.ruling import RuleProblems

        return Forums(data=()) if isinstance(request, ListForums) else RuleProblems(problems=())


@dataclass
class Desks:
    """What the api asks of its database, and the login that bypasses row level security."""

    access: Access
    office: Office
    catalogue: Catalogue
    connecting: Connecting
    sharing: Sharing
    worker: Worker
    admin: Principal
    database: Made
    postbox: Postbox


@pytest.fixture
async def desks(database: Made) -> AsyncIterator[Desks]:
    app, worker = Database(database.app_url, "app"), Database(database.worker_url, "worker")
    access, clock = Access(app), Clock()
    people = People(access)
    await people.bootstrap("admin@example.org", "correct horse", "prt_first")
    admin = await people.by_token("prt_first", clock.now())
    assert admin is not None
    seal, publisher = FetcherSeal(public_key_of("3c" * 32)), Silent()
    shelf = MailServices(access)
    office = Office(
        NoForums(), Mailboxes(access), Rules(access), seal, cast("Any", None), clock, publisher, shelf,
        Grid(access), Still(), DeletedMailboxes(access),
        ExampleRuns(cast("Any", None), RuleExamples(access)),
    )  # fmt: skip
    catalogue = Catalogue(shelf, ServiceChanges(access), seal, clock, publisher)
    postbox = Postbox()
    mail = LinksByMail(cast("Any", postbox), clock)
    connecting = Connecting(office, catalogue, ConnectLinks(access), clock, mail)
    sharing = Sharing(office, Shares(access), clock)
    yield Desks(
        access, office, catalogue, connecting, sharing, Worker(worker), admin, database, postbox
    )
    await app.close()
    await worker.close()


@pytest.fixture
def somebody(desks: Desks) -> Somebody:
    """Makes a person and returns who they are."""

    async def make(name: str, role: str = "user", account: str = DEFAULT_ACCOUNT) -> Principal:
        id_ = f"usr_{name}"
        async with desks.access.account(account) as connection:
            await connection.execute(
                "INSERT INTO config.account (id, name) VALUES ($1, $1) ON CONFLICT DO NOTHING",
                account,
            )
            await connection.execute(
                "INSERT INTO config.person (id, account, email, name, role, password_hash)"
                " VALUES ($1, $2, $3, $4, $5, 'x')",
                id_, account, f"{name}@example.org", name.title(), role,
            )  # fmt: skip
        return Principal(
            account=account, id=id_, email=f"{name}@example.org", name=name.title(), role=cast("Any", role)
        )  # fmt: skip

    return make
