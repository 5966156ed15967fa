"""The command, as a person types it."""

import json
import subprocess
import sys

from postroom import dovecot
from support.client import Api, letter, send, wire
from support.sharing import Account, Share
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


async def test_the_demo_fills_a_system_once(tmp_path, untouched: System) -> None:
    system = System(tmp_path)
    system.begin_as(untouched)
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
        assert "no password" in run(system, "mailbox", "add", "X", "--type", "imap", code=1)
        assert "SMTP" in run(system, "mailbox", "test", support, code=1)
        added = run(system, "mailbox", "add", "Desk", "--address", "desk@example.org").strip()
        assert added.startswith("mbx_")
        shown = run(system, "config", "show", "--origin")
        assert "POSTROOM_SMTP_PORT" in shown
        assert system.admin_token not in shown
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


async def test_users_and_tokens_come_and_go_by_the_command(running: System, api: Api) -> None:
    def secret(*arguments: str) -> str:
        """What stands on standard output alone."""
        done = subprocess.run(
            [sys.executable, "-m", "postroom", *arguments],
            env=running.environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stderr
        (line,) = done.stdout.splitlines()
        return line

    link = secret("user", "add", "anna@example.org", "--name", "Anna")
    assert link.startswith(f"{running.base_url}/welcome/")
    listed = json.loads(run(running, "user", "list", "--json"))
    assert {one["email"]: one["state"] for one in listed} == {
        "admin@example.org": "active", "anna@example.org": "invited",
    }  # fmt: skip
    assert "anna@example.org" in run(running, "user", "list", "--search", "ann")
    assert "is known already" in run(running, "user", "add", "anna@example.org", code=1)
    assert "deactivated" in run(running, "user", "deactivate", "Anna@Example.org")
    assert "no user" in run(running, "user", "deactivate", "ben@example.org", code=1)
    assert "last administrator" in run(running, "user", "deactivate", "admin@example.org", code=1)

    token = secret("token", "create", "cron", "--scope", "forums:read", "--days", "7")
    asks = {"Authorization": f"Bearer {token}"}
    assert (await api.client.get("/api/v1/forums", headers=asks)).status_code == 200
    assert (await api.client.get("/api/v1/users", headers=asks)).status_code == 403
    rows = json.loads(run(running, "token", "list", "--json"))
    cron = next(row for row in rows if row["name"] == "cron")
    assert cron["scopes"] == ["forums:read"]
    assert "cron" in run(running, "token", "list")
    assert "revoked" in run(running, "token", "revoke", cron["id"])
    assert (await api.client.get("/api/v1/forums", headers=asks)).status_code == 401


async def test_an_archive_is_imported_by_the_command(account: Account) -> None:
    """Into a forum's mailbox: posts of their own dates, and no copies to its members."""
    running, sink, garden = account.system, account.sink, account.at("garden")
    async with Api(running) as api:  # the command is at work in the first account
        await archive_story(running, api, sink, garden, account.person("ben"))


async def archive_story(running: System, api: Api, sink: Share, garden: str, ben: str) -> None:
    forum = await api.forum("Garden", garden, ben)
    archive = running.directory / "garden.mbox"
    date = "Tue, 3 Feb 2009 10:00:00 +0000"
    first = wire(letter("ann@example.net", garden, "Seeds", message_id="1@x"))
    second = wire(
        letter("cora@example.net", garden, "Re: Seeds", message_id="2@x",
               in_reply_to="1@x")
    )  # fmt: skip
    dated = [f"Date: {date}\r\n".encode() + raw for raw in (first, second)]
    lines = [b"From x Mon\n" + raw.replace(b"\r\n", b"\n") + b"\n" for raw in dated]
    archive.write_bytes(b"".join(lines) + b"From z\n\n")
    words = run(running, "import", str(archive), "--mailbox", garden, code=1)
    assert "2 stored, 0 known already, 1 skipped" in words
    assert "mail 3: empty" in words
    (topic,) = await api.topics(forum, 1)
    posts = await api.posts(topic["id"], 2)
    assert {post["created_at"][:10] for post in posts} == {"2009-02-03"}
    again = json.loads(run(running, "import", str(archive), "--mailbox", garden, "--json", code=1))
    assert (again["stored"], again["known"]) == (0, 2)
    # What is new is sent to members, and only that: the old ones never were.
    third = letter("ann@example.net", garden, "Rain", message_id="3@x")
    send(running, third, "ann@example.net", garden)
    (copy,) = await sink.wait_for(1)
    assert b"Rain" in copy.raw
    nowhere = run(running, "import", str(archive), "--mailbox", "nobody@example.org", code=1)
    assert "there is no mailbox nobody@example.org" in nowhere


async def test_events_are_told_on_a_terminal(account: Account) -> None:
    api, box = account.api, account.at("desk")
    await api.post("/mailboxes", name="Desk", source={"type": "smtp", "addresses": [box]})
    mail = letter("a@example.net", box, "Hello terminal", "x", message_id="1@x")
    send(account.system, mail, "a@example.net", box)
    await api.messages(1)
    said = run(
        account.system, "events", "tail", "--since", "7d", "--type", "mail.sorted", "--count", "1"
    )
    assert "mail.sorted" in said
    line = run(account.system, "events", "tail", "--since", "7d", "--count", "1", "--json")
    assert json.loads(line.splitlines()[-1])["type"]
    assert "no type of event" in run(account.system, "events", "tail", "--type", "a b", code=1)
    assert "no span of time" in run(account.system, "events", "tail", "--since", "soon", code=1)
