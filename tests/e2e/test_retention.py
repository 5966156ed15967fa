"""Keep days: raw mail goes when they are over, and never undecided."""

import asyncio

from support.client import Api, letter, send
from support.operator import broker
from support.system import System
from support.waiting import eventually

SCALE = "0.0001"  # a day is 8.6 s, the hourly round comes every 0.36 s
BOX, OTHER = "short@example.org", "long@example.org"
ANNA = "anna@example.net"


async def stored(bus) -> int:
    infos = [await bus.stream_info(f"INTAKE_{shard}") for shard in (0, 1)]
    return sum(int(info["state"]["messages"]) for info in infos)


async def test_mail_is_decided_first_and_then_goes(tmp_path, untouched: System) -> None:
    system = System(tmp_path, {"POSTROOM_TIME_SCALE": SCALE})
    system.begin_as(untouched)
    system.start()
    try:
        await system.wait_ready()
        async with Api(system) as api, broker(system) as bus:
            for name, address, days in (("Short", BOX, 1), ("Long", OTHER, 0)):
                await api.post(
                    "/mailboxes",
                    name=name,
                    source={"type": "smtp", "addresses": [address]},
                    limits={"keep_days": days},
                )
            system.sigstop("rules")
            try:
                for number in range(3):
                    mail = letter(ANNA, BOX, f"Mail {number}", message_id=f"{number}@x")
                    await asyncio.to_thread(send, system, mail, ANNA, BOX, OTHER)
                began = (await bus.stream_info("EVENTS"))["ts"]

                async def two_days_later() -> bool:
                    return _seconds(began, (await bus.stream_info("EVENTS"))["ts"]) > 18

                await eventually(two_days_later, 60)
                assert await stored(bus) == 6, "undecided mail was deleted"
            finally:
                system.sigcont("rules")
            rows = await api.messages(6, 60)

            async def purged() -> bool:
                return await stored(bus) == 3

            await eventually(purged, 60, what="the short mailbox's raw mail is gone")
            for row in rows:
                raw = await api.client.get(f"/api/v1/messages/{row['id']}/raw")
                assert raw.status_code == (410 if row["recipient"] == BOX else 200), row
    finally:
        system.stop()


def _seconds(first: str, second: str) -> float:
    from datetime import datetime

    return (datetime.fromisoformat(second) - datetime.fromisoformat(first)).total_seconds()


async def test_a_store_made_anew_never_shows_another_mail(running: System, api: Api) -> None:
    """INTAKE deleted and refilled under the log: no route returns another mail's bytes."""
    await api.post("/mailboxes", name="Box", source={"type": "smtp", "addresses": [BOX]})
    first = letter(ANNA, BOX, "First", "the first secret\n", message_id="1@x")
    await asyncio.to_thread(send, running, first, ANNA, BOX)
    (row,) = await api.messages(1)
    from support.operator import provision_again

    async with broker(running) as bus:
        for shard in (0, 1):
            await bus.ask(f"$JS.API.STREAM.DELETE.INTAKE_{shard}")
    await provision_again(running)

    async def second_is_in() -> bool:
        mail = letter(ANNA, BOX, "Second", "the second secret\n", message_id="2@x")
        try:
            await asyncio.to_thread(send, running, mail, ANNA, BOX)
        except OSError:
            return False
        return True

    await eventually(second_is_in, 30)
    for path in (f"/api/v1/messages/{row['id']}/raw", f"/messages/{row['id']}/raw"):
        answer = await api.client.get(path)
        assert answer.status_code == 410
        assert "second secret" not in answer.text
