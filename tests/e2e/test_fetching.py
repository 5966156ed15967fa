"""Mail from a real server: a mailbox set up by API, received by hand and by the clock."""

import asyncio
import json
from typing import Any

import pytest

from support import dovecot
from support.client import Api, letter, wire
from support.dovecot import PASSWORD, USER, Dovecot
from support.sharing import Account, Shared
from support.system import System
from support.waiting import eventually

pytestmark = pytest.mark.skipif(
    dovecot.missing() is not None,
    reason=f"needs {dovecot.missing()}: apt-get install dovecot-imapd dovecot-pop3d",
)


def source(server: Dovecot, kind: str, **changes: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "host": "localhost",
        "port": server.imaps if kind == "imap" else server.pop3s,
        "tls": "implicit",
        "login": USER,
        "password": PASSWORD,
        "ca": server.ca,
        **changes,
    }


async def check(api: Api, mailbox: str) -> dict[str, Any]:
    """Receive now, and return how it went."""
    before = (await api.get(f"/mailboxes/{mailbox}"))["last_check"]
    await api.post(f"/mailboxes/{mailbox}/receive")

    async def done() -> Any:
        found = (await api.get(f"/mailboxes/{mailbox}"))["last_check"]
        assert found is not None
        assert found != before
        return found

    return await eventually(done, 40, what="the check")


@pytest.mark.parametrize("kind", ["imap", "pop3"])
async def test_mail_arrives_once_and_rules_sort_it(
    account: Account, server: Dovecot, kind: str
) -> None:
    api = account.api
    for number in range(5):
        mail = letter("Anna <anna@example.net>", USER, f"Mail {number}", message_id=f"{number}@x")
        server.put(wire(mail))
    box = await api.post("/mailboxes", name="Office", source=source(server, kind))
    await api.post(
        "/rules",
        mailbox=box["id"],
        name="Three",
        condition={"kind": "test", "field": "subject", "operator": "ends", "values": ["3"]},
        actions=[{"kind": "add_tag", "tag": "three"}],
    )
    first = await check(api, box["id"])
    assert (first["state"], first["error"], first["found"]) == ("idle", None, 5)
    rows = {row["subject"]: row for row in await api.messages(5)}
    assert rows["Mail 3"]["tags"] == ["three"]
    assert {row["mailbox"] for row in rows.values()} == {box["id"]}
    raw = await api.client.get(f"/api/v1/messages/{rows['Mail 0']['id']}/raw")
    assert b"Subject: Mail 0" in raw.content
    server.put(wire(letter("anna@example.net", USER, "Mail 5", message_id="5@x")))
    again = await check(api, box["id"])
    assert (again["found"], again["stored"]) == (1, 6)
    await api.messages(6)


async def test_what_is_wrong_is_said_in_the_servers_words(
    account: Account, server: Dovecot
) -> None:
    api = account.api
    wrong = await api.post("/mailboxes", name="Wrong", source=source(server, "imap", password="no"))
    found = await check(api, wrong["id"])
    assert found["state"] == "auth_failed"
    assert "uthentication" in found["error"]
    unknown = await api.post("/mailboxes", name="CA", source=source(server, "imap", ca=""))
    found = await check(api, unknown["id"])
    assert found["state"] in {"unreachable", "trouble", "refused"}
    assert "certificate" in found["error"].lower()
    closed = await api.post("/mailboxes", name="Port", source=source(server, "imap", port=1))
    assert (await check(api, closed["id"]))["state"] == "unreachable"
    page = await api.client.get("/mailboxes")
    assert "sign-in failed" in page.text


async def test_the_clock_brings_new_mail(
    tmp_path, untouched: System, sink, server: Dovecot
) -> None:
    system = System(tmp_path, {"POSTROOM_TIME_SCALE": "0.02"})  # a minute is 1.2 s
    system.begin_as(untouched)
    await asyncio.to_thread(system.start)
    try:
        await system.wait_ready()
        async with Api(system) as api:
            settings = source(server, "imap", interval_minutes=1)
            await api.post("/mailboxes", name="Office", source=settings)
            for number in range(3):
                mail = letter("anna@example.net", USER, f"Mail {number}", message_id=f"{number}@x")
                server.put(wire(mail))
                await api.messages(number + 1)
    finally:
        system.stop()


async def ended(api: Api, operation: str) -> dict[str, Any]:
    async def look() -> Any:
        found = await api.get(f"/operations/{operation}")
        return found if found["state"] != "running" else None

    return await eventually(look, 40, what="the test")


async def test_a_connection_is_tried_before_it_is_kept(account: Account, server: Dovecot) -> None:
    api = account.api
    server.put(*(wire(letter("a@example.net", USER, f"n{n}")) for n in range(3)))
    settings = {"name": "x", "source": source(server, "imap")}
    begun = await api.post("/mailboxes/test", **settings)
    found = await ended(api, begun["id"])
    assert found["state"] == "done"
    assert [stage["name"] for stage in found["result"]["stages"]][-1] == "count"
    assert found["result"]["census"]["messages"] == 3
    assert PASSWORD not in str(found)

    # Looking on afterwards ends at once, with the operation.
    async with api.lines(f"/operations/{begun['id']}/events") as lines:
        assert "event: end" in [line async for line in lines]

    made = await api.post("/mailboxes", **settings)
    wrong = {"source": {"password": "wrong"}}
    failed = await ended(api, (await api.post(f"/mailboxes/{made['id']}/test", **wrong))["id"])
    assert (failed["state"], failed["result"]["stages"][-1]["name"]) == ("failed", "sign_in")
    stored = await ended(api, (await api.post(f"/mailboxes/{made['id']}/test"))["id"])
    assert stored["state"] == "done"
    where = f"/api/v1/mailboxes/{made['id']}/test"
    answer = await api.client.post(where, json={"source": {"port": 1}})
    assert answer.status_code == 422
    assert "enter the password again" in answer.json()["detail"]
    assert (await api.client.get("/api/v1/operations/opr_none/events")).status_code == 404


async def test_a_check_is_looked_on_at_while_it_runs(account: Account, server: Dovecot) -> None:
    api = account.api
    server.put(
        *(wire(letter("a@example.net", USER, f"n{n}", text="x" * 5_000)) for n in range(500))
    )
    made = await api.post("/mailboxes", name="x", source=source(server, "imap"))
    async with api.lines(f"/mailboxes/{made['id']}/events") as lines:
        await api.post(f"/mailboxes/{made['id']}/receive")
        seen = [line async for line in lines]
    told = [json.loads(line[6:]) for line in seen if line.startswith("data: {")]
    assert any(one.get("found") == 500 and one.get("stored", 0) < 500 for one in told)
    assert told[-1]["last_check"]["stored"] == 500


async def test_trouble_is_told_once_by_mail_and_on_the_overview(
    account: Account, server: Dovecot
) -> None:
    api, sink = account.api, account.sink
    made = await api.post("/mailboxes", name="Office", source=source(server, "imap", password="no"))
    for _ in range(2):
        assert (await check(api, made["id"]))["state"] == "auth_failed"
    (mail,) = await eventually(lambda: sink.received, 30, what="the notice")
    assert mail.mail_from == ""
    assert mail.rcpt_tos == (account.admin,)
    assert b"Subject: Mailbox Office does not get its mail" in mail.raw
    assert b"Auto-Submitted: auto-generated" in mail.raw
    (box,) = (await api.get("/overview"))["troubled"]
    assert (box["name"], box["state"]) == ("Office", "auth_failed")
    await api.client.patch(
        f"/api/v1/mailboxes/{made['id']}", json={"source": {"password": PASSWORD}}
    )
    assert (await check(api, made["id"]))["state"] == "idle"
    await eventually(lambda: len(sink.received) == 2, 30, what="the notice that it is over")
    assert b"Subject: Mailbox Office works again" in sink.received[1].raw
    assert (await api.get("/overview"))["troubled"] == []


async def test_the_system_page_knows_every_part(shared: Shared) -> None:
    running = shared.system

    async def all_there() -> Any:
        async with Api(running) as api:
            system = await api.get("/system")
        found = {one["service"]: one for one in system["processes"]}
        assert len(found) == 5
        assert {one["state"] for one in found.values()} == {"ready"}
        return system, found

    system, found = await eventually(all_there, 20, what="five services said that they are ready")
    assert system["database"].startswith("18.")
    assert {one["name"] for one in system["streams"]} >= {"INTAKE_0", "EVENTS", "WORK"}
    settings = {one["name"]: one for one in found["smtp"]["settings"]}
    assert settings["POSTROOM_SMTP_PORT"]["value"] == str(running.smtp_port)
    said = json.dumps(system)
    assert running.admin_token not in said
    assert running.admin_password not in said
