"""The command, as a person types it."""

import json

from postroom import dovecot
from support.client import Api, letter, wire
from support.sink import Sink
from support.system import System

FETCHED = 5 if dovecot.missing() is None else 0
MAILS = 24 + FETCHED


def run(system: System, *arguments: str, code: int = 0) -> str:
    """Run `postroom …`; return what it printed (both streams)."""
    name = "command.log"
    (system.directory / name).unlink(missing_ok=True)
    process = system.command(*arguments, log=name)
    found = process.wait(60)
    assert found == code, process.log
    return process.log


async def test_the_demo_fills_a_system_once(tmp_path) -> None:
    system = System(tmp_path)
    system.start()
    try:
        await system.wait_ready()
        assert "24 mails" in run(system, "demo")
        async with Api(system) as api:
            (forum,) = (await api.get("/forums"))["data"]
            topics = {topic["title"]: topic for topic in await api.topics(forum["id"], 4)}
            await api.posts(topics["When do the tomatoes go out?"]["id"], 6)
            rows = {row["subject"]: row for row in await api.messages(MAILS)}
            assert rows["URGENT: water is running"]["importance"] == "high"
            assert rows["Invoice 1017"]["tags"] == ["invoice"]
            assert rows["You have WON a gift card"]["spam"] is True
            assert rows["Out of office"]["topic"] is None
            if FETCHED:
                await fetched_by_imap(api)
        assert "already" in run(system, "demo")
        findings = json.loads(run(system, "doctor", "--json"))
        assert all(one["well"] for one in findings), findings
        assert "certificates" in {one["name"] for one in findings}
        boxes = json.loads(run(system, "mailbox", "list", "--json"))
        support = next(box["id"] for box in boxes if box["name"] == "Support")
        mail = tmp_path / "mail.eml"
        mail.write_bytes(wire(letter("a@example.net", "support@example.org", "Invoice 7")))
        said = run(system, "rules", "test", str(mail), "--mailbox-id", support)
        assert "→ tagged “invoice”" in said
        assert "accepted" in run(system, "send", "support@example.org", "--file", str(mail))
        assert "550 5.1.1" in run(system, "send", "nobody@example.org", code=1)
        assert "cannot read" in run(
            system, "rules", "test", "/no.eml", "--mailbox-id", support, code=1
        )
        assert "no mailbox here" in run(
            system, "rules", "test", str(mail), "--mailbox-id", "mbx_none", code=1
        )
    finally:
        system.stop()


async def fetched_by_imap(api: Api) -> None:
    (box,) = [
        one for one in (await api.get("/mailboxes"))["data"] if one["name"] == "Office (IMAP)"
    ]
    assert box["active"] is False
    assert (box["last_check"]["state"], box["last_check"]["stored"]) == ("idle", FETCHED)
    rows = {row["subject"]: row for row in await api.messages(MAILS)}
    assert {"請求書", "Список", "Invoice 2031", "Spring catalogue"} <= set(rows)


async def test_the_demo_does_not_leave_the_machine_unasked(running: System, sink: Sink) -> None:
    assert "leave this machine" in run(running, "demo", code=1)
    assert sink.received == []
    assert "24 mails" in run(running, "demo", "--yes")


def test_without_a_running_system_every_command_says_so(tmp_path) -> None:
    system = System(tmp_path)
    for arguments in (("send", "a@example.org"), ("mailbox", "list"), ("demo",)):
        assert "Postroom is not running" in run(system, *arguments, code=1)
    assert "make up" in run(system, "doctor", code=1)
