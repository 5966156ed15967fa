"""Publishing: once stored, never stored twice, and unknown outcomes are asked again."""

import asyncio

import pytest

from postroom_contract import streams, subjects
from postroom_contract.codec import encode
from postroom_contract.mail import Pointer
from postroom_runtime.bus import Bus
from postroom_runtime.errors import OperatorError, UnavailableError
from postroom_runtime.messages import ConflictError, Publication
from support.buses import connected
from support.servers import Nats

INTAKE = subjects.intake(0, "acc_a", "mbx_a")


def mail(name: str, data: bytes = b"raw") -> Publication:
    return Publication(INTAKE, data, name, {"Postroom-Envelope": "eHg="})


async def stored(bus: Bus, stream: str) -> int:
    return int((await bus.stream_info(stream))["state"]["messages"])


async def test_the_same_id_is_stored_once(nats_server: Nats) -> None:
    async with connected(nats_server, "smtp") as bus:
        first = await bus.publish(mail("m1"))
        again = await bus.publish(mail("m1"))
        assert not first.duplicate
        assert again.duplicate
        assert again.sequence == first.sequence
        assert await stored(bus, "INTAKE_0") == 1


async def test_a_header_and_a_large_body_come_back_as_they_were(nats_server: Nats) -> None:
    body = bytes(range(256)) * 4 * 1024 * 25
    async with connected(nats_server, "smtp") as smtp, connected(nats_server, "rules") as rules:
        where = await smtp.publish(mail("big", body))
        found = await rules.get(Pointer(where.stream, where.sequence))
    assert found is not None
    assert found.data == body
    assert found.headers["Postroom-Envelope"] == "eHg="
    assert found.subject == INTAKE


async def test_a_batch_is_stored_as_a_whole(nats_server: Nats) -> None:
    async with connected(nats_server, "smtp") as bus:
        found = await bus.publish_all([mail("a"), mail("b"), mail("c")])
        assert [one.sequence for one in found] == [1, 2, 3]


async def test_a_batch_with_a_known_id_stores_the_rest(nats_server: Nats) -> None:
    """The broker refuses such a batch whole (10201) and does not say which id it was."""
    async with connected(nats_server, "smtp") as bus:
        await bus.publish(mail("b"))
        found = await bus.publish_all([mail("a"), mail("b"), mail("c")])
        assert [one.duplicate for one in found] == [False, True, False]
        assert await stored(bus, "INTAKE_0") == 3


async def test_only_the_first_on_a_subject(nats_server: Nats) -> None:
    async with connected(nats_server, "rules") as bus:
        subject = subjects.event("a", "m", "mail.sorted", "msg_1")
        await bus.publish(Publication(subject, b'"first"', "e1"), first=True)
        for name in ("e1", "e2"):
            with pytest.raises(ConflictError):
                await bus.publish(Publication(subject, b'"second"', name), first=True)
        found = await bus.last("EVENTS", subject)
        assert found is not None
        assert found.data == b'"first"'


async def test_a_lost_answer_is_asked_again_under_the_same_id(
    nats_server: Nats, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first publish is stored but its ack is lost: one message, and the caller hears "stored"."""
    async with connected(nats_server, "smtp") as bus:
        request = bus.client.request
        lost: list[object] = []

        async def lossy(*arguments: object, **named: object) -> object:
            answer = await request(*arguments, **named)  # type: ignore[arg-type]
            if not lost:
                lost.append(answer)
                raise TimeoutError
            return answer

        monkeypatch.setattr(bus.client, "request", lossy)
        found = await bus.publish(mail("m1"))
        assert len(lost) == 1
        assert found.duplicate
        assert await stored(bus, "INTAKE_0") == 1


async def test_without_a_broker_the_publisher_says_so_in_time(nats_server: Nats) -> None:
    async with connected(nats_server, "smtp") as bus:
        nats_server.stop()
        async with asyncio.timeout(5):
            with pytest.raises(UnavailableError, match="cannot be reached|no answer"):
                await bus.publish(mail("m1"), seconds=1)
        await nats_server.start_again()
        await bus.publish(mail("m1"), seconds=20)
        assert await stored(bus, "INTAKE_0") == 1


async def test_a_stream_that_differs_from_the_contract_is_an_operators_error(
    nats_server: Nats,
) -> None:
    async with connected(nats_server, "operator") as bus:
        names = [spec.name for spec in streams.STREAMS]
        await bus.assert_streams(names)
        info = await bus.stream_info("EVENTS")
        changed = {**info["config"], "max_age": 9_000_000_000_000}
        await bus.ask("$JS.API.STREAM.UPDATE.EVENTS", encode(changed))
        with pytest.raises(OperatorError, match="EVENTS is not as the contract says: max_age"):
            await bus.assert_streams(names)
        await nats_server.provision()
        await bus.assert_streams(names)
        await bus.ask("$JS.API.STREAM.DELETE.EVENTS")
        with pytest.raises(OperatorError, match="EVENTS is missing"):
            await bus.assert_streams(names)
