"""Configuration as a service sees it, and when "not there" may be believed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from postroom_contract import subjects
from postroom_contract.codec import encode
from postroom_contract.documents import DomainDocument, domain_key
from postroom_runtime import configuration as module
from postroom_runtime.bus import Bus
from postroom_runtime.configuration import Configuration
from postroom_runtime.messages import Publication
from support.buses import connected
from support.servers import Nats
from support.waiting import eventually

KEY = domain_key("example.org")
DOCUMENT = DomainDocument(domain="example.org", account="acc_a", version=3)


async def put(bus: Bus, document: DomainDocument) -> None:
    await bus.publish(Publication(subjects.config(KEY), encode(document), None))


async def put_epoch(bus: Bus) -> None:
    await bus.publish(Publication(subjects.config(subjects.EPOCH_KEY), b'{"epoch":"1"}', None))


@asynccontextmanager
async def following(bus: Bus) -> AsyncIterator[Configuration]:
    made = Configuration(bus, ("domain",))
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_document_arrives_changes_and_goes(nats_server: Nats) -> None:
    async with connected(nats_server, "api") as api, connected(nats_server, "smtp") as smtp:
        await put(api, DOCUMENT)
        async with following(smtp) as configuration:
            await eventually(lambda: configuration.get(KEY, DomainDocument) == DOCUMENT)
            newer = msgspec.structs.replace(DOCUMENT, account="acc_b", version=4)
            await put(api, newer)
            await eventually(lambda: configuration.get(KEY, DomainDocument) == newer)
            await put(api, msgspec.structs.replace(newer, deleted=True, version=5))
            await eventually(lambda: configuration.get(KEY, DomainDocument) is None)
            assert configuration.keys("domain") == []


async def test_an_older_document_is_ignored(nats_server: Nats) -> None:
    async with connected(nats_server, "api") as api, connected(nats_server, "smtp") as smtp:
        async with following(smtp) as configuration:
            changes: list[str] = []
            configuration.on_change(changes.append)
            await put(api, DOCUMENT)
            await eventually(lambda: changes == [KEY])
            await put(api, msgspec.structs.replace(DOCUMENT, account="acc_old", version=2))
            await put_epoch(api)
            await eventually(configuration.knows)
            assert configuration.get(KEY, DomainDocument) == DOCUMENT
            assert changes == [KEY]


async def test_nothing_is_known_before_the_epoch(nats_server: Nats) -> None:
    async with connected(nats_server, "api") as api, connected(nats_server, "smtp") as smtp:
        async with following(smtp) as configuration:
            await put(api, DOCUMENT)
            await eventually(lambda: configuration.get(KEY, DomainDocument))
            assert not configuration.knows()
            assert "epoch" in (configuration.trouble or "")
            await put_epoch(api)
            await eventually(configuration.knows)
            assert configuration.trouble is None


async def test_with_the_broker_frozen_knowledge_runs_out(nats_server: Nats, monkeypatch) -> None:
    monkeypatch.setattr(module, "STEP_SECONDS", 4.0)
    async with connected(nats_server, "api") as api, connected(nats_server, "smtp") as smtp:
        async with following(smtp) as configuration:
            await put(api, DOCUMENT)
            await put_epoch(api)
            await eventually(configuration.knows)
            nats_server.process.sigstop()
            try:
                await eventually(lambda: not configuration.knows(), 25)
                assert configuration.get(KEY, DomainDocument) == DOCUMENT
            finally:
                nats_server.process.sigcont()
            await eventually(configuration.knows, 30)


async def test_a_bucket_made_anew_is_read_from_its_beginning(nats_server: Nats) -> None:
    async with connected(nats_server, "operator") as operator:
        async with following(operator) as configuration:
            await put(operator, DOCUMENT)
            await put_epoch(operator)
            await eventually(configuration.knows)
            await operator.ask("$JS.API.STREAM.DELETE.KV_config")
            await nats_server.provision()
            await eventually(lambda: configuration.get(KEY, DomainDocument) is None)
            assert not configuration.knows()
