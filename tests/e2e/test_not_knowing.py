"""Not knowing is not knowing better: an address that exists is never refused for good."""

import asyncio
import smtplib

from support.client import Api, letter, wire
from support.operator import broker, provision_again
from support.system import System
from support.waiting import eventually

BOX, ANNA = "box@example.org", "anna@example.net"


def answer(system: System, recipient: str) -> int:
    """The code that a mail to this recipient gets in the end; 0 = no connection."""
    try:
        with smtplib.SMTP("127.0.0.1", system.smtp_port, timeout=30) as client:
            client.sendmail(ANNA, [recipient], wire(letter(ANNA, recipient, "x")))
    except smtplib.SMTPRecipientsRefused as error:
        return int(next(iter(error.recipients.values()))[0])
    except smtplib.SMTPResponseException as error:
        return int(error.smtp_code)
    except OSError:
        return 0
    return 250


async def until(system: System, wanted: int, seen: set[int], recipient: str = BOX) -> None:
    async def ask() -> bool:
        code = await asyncio.to_thread(answer, system, recipient)
        seen.add(code)
        return code == wanted

    await eventually(ask, 60, what=f"{wanted} for {recipient}")


async def test_an_empty_bucket_a_frozen_broker_and_a_missing_api(running: System, api: Api) -> None:
    await api.post("/mailboxes", name="Box", source={"type": "smtp", "addresses": [BOX]})
    seen: set[int] = set()
    await until(running, 250, seen)
    assert await asyncio.to_thread(answer, running, "nobody@example.org") == 550

    running.sigstop("api")  # it cannot fill the bucket again
    async with broker(running) as bus:
        await bus.ask("$JS.API.STREAM.DELETE.KV_config")
    await provision_again(running)
    killed = running.kill9("smtp")
    await until(running, 451, seen)
    await until(running, 451, seen, "nobody@example.org")
    running.sigcont("api")
    await running.back("smtp", killed, 60)
    await until(running, 250, seen)
    await until(running, 550, set(), "nobody@example.org")

    running.sigstop("api")
    killed = running.kill9("smtp")  # starts while api is down: the bucket has all it needs
    await until(running, 250, seen)
    running.sigcont("api")

    running.sigstop("nats")
    killed = running.kill9("smtp")
    await until(running, 451, seen)
    running.sigcont("nats")
    await until(running, 250, seen)
    assert seen <= {0, 250, 451}, seen
