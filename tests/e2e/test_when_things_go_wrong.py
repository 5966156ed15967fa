"""Whatever is killed, frozen or broken: nothing is lost, nothing is done twice, and it is said."""

import asyncio
import smtplib
import time

from support.client import Api, letter, send, wire
from support.operator import broker, forum_database, provision_again
from support.sharing import Account
from support.sink import Sink
from support.system import System
from support.waiting import eventually

GARDEN = "garden@example.org"
ANNA, BEN = "anna@example.net", "ben@example.com"


async def test_rules_killed_between_its_event_and_its_commands(
    running: System, api: Api, sink: Sink
) -> None:
    """The ruleset changes meanwhile: trace and effects are those of the first version."""
    forum = await api.forum("Garden", GARDEN, BEN)
    (rule,) = (await api.get("/rules"))["data"]
    async with broker(running) as bus:
        await bus.ask("$JS.API.STREAM.DELETE.COMMANDS")  # its commands cannot go out now
        mail = letter(ANNA, GARDEN, "Between", message_id="b@x")
        await asyncio.to_thread(send, running, mail, ANNA, GARDEN)
        (row,) = await api.messages(1)  # so the event is out
        first = await api.get(f"/messages/{row['id']}/trace")
    answer = await api.client.delete(f"/api/v1/rules/{rule['id']}")
    assert answer.status_code == 204
    await api.post(
        "/rules",
        mailbox=row["mailbox"],
        name="Changed",
        condition={"kind": "group", "mode": "all", "of": []},
        actions=[{"kind": "set_importance", "level": "high"}],
    )
    killed = running.kill9("rules")
    await provision_again(running)
    await running.back("rules", killed, 60)
    (topic,) = await api.topics(forum, 1, 60)
    await sink.wait_for(1)
    again = await api.get(f"/messages/{row['id']}/trace")
    assert again == first
    assert again["decision"]["trace"][0]["rule"] == rule["id"]
    assert (await api.messages(1))[0]["importance"] == "normal"
    # The next mail is decided by the changed ruleset.
    mail = letter(ANNA, GARDEN, "After", message_id="after@x")
    await asyncio.to_thread(send, running, mail, ANNA, GARDEN)
    newest = (await api.messages(2))[0]
    assert (newest["subject"], newest["importance"]) == ("After", "high")
    assert [one["id"] for one in await api.topics(forum, 1)] == [topic["id"]]
    assert len(sink.received) == 1


async def test_a_poisonous_mail_is_set_aside_and_the_rest_flows(
    running: System, api: Api, sink: Sink
) -> None:
    forum = await api.forum("Garden", GARDEN, BEN)
    async with forum_database(running) as database:
        await database.execute(
            "CREATE FUNCTION forum.poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF NEW.subject = 'Poison' THEN RAISE EXCEPTION 'a bug of ours'; END IF;"
            " RETURN NEW; END $$"
        )
        await database.execute(
            "CREATE TRIGGER poison BEFORE INSERT OR UPDATE ON forum.post"
            " FOR EACH ROW EXECUTE FUNCTION forum.poison()"
        )
        for subject in ("Before", "Poison", "After"):
            mail = letter(ANNA, GARDEN, subject, message_id=f"{subject}@x")
            await asyncio.to_thread(send, running, mail, ANNA, GARDEN)
        topics = await api.topics(forum, 2)
        assert {topic["title"] for topic in topics} == {"Before", "After"}

        async def entries():
            return (await api.get("/set-aside"))["data"]

        (entry,) = await eventually(entries, 90, what="the set-aside entry")
        assert entry["service"] == "forum-bridge"
        assert "a bug of ours" in entry["reason"]
        await database.execute("DROP TRIGGER poison ON forum.post")
    for _ in range(2):
        await api.post(f"/set-aside/{entry['id']}/redo")
    await api.topics(forum, 3)
    last = letter(ANNA, GARDEN, "Last", message_id="last@x")
    await asyncio.to_thread(send, running, last, ANNA, GARDEN)
    await api.topics(forum, 4)
    subjects = sorted(
        one.raw.split(b"Subject: ")[1].split(b"\r\n")[0] for one in await sink.wait_for(4)
    )
    assert subjects == [b"[Garden] " + one for one in (b"After", b"Before", b"Last", b"Poison")]
    (entry,) = await entries()
    assert entry["redone_at"]


async def test_a_frozen_database_is_a_503_and_mail_still_comes_in(account: Account) -> None:
    running, api, garden = account.system, account.api, account.at("garden")
    forum = await api.forum("Garden", garden)
    running.sigstop("postgres")
    try:
        for path in ("/messages", "/api/v1/messages", "/forums"):
            began = time.monotonic()
            answer = await api.client.get(path)
            took = time.monotonic() - began
            assert answer.status_code == 503, (path, answer.text)
            assert took < 6, (path, took)
            assert "database (Postgres) does not answer" in answer.text
            assert answer.headers["retry-after"]
        mail = letter(ANNA, garden, "Meanwhile", message_id="m@x")
        await asyncio.to_thread(send, running, mail, ANNA, garden)
    finally:
        running.sigcont("postgres")

    async def answers() -> bool:
        return (await api.client.get("/messages")).status_code == 200

    await eventually(answers, 5, what="pages are back")
    await api.topics(forum, 1, 60)
    await api.messages(1)


async def test_without_a_broker_senders_wait_and_the_page_says_so(account: Account) -> None:
    running, api, garden = account.system, account.api, account.at("garden")
    forum = await api.forum("Garden", garden, account.person("ben"))
    running.sigstop("nats")  # unreachable for as long as the test wants
    try:
        mail = letter(ANNA, garden, "Waiting", message_id="w@x")

        async def refused() -> bool:
            code = await asyncio.to_thread(_try_to_send, running, mail, garden)
            return code == 451

        await eventually(refused, 60, what="451")

        async def says_so() -> bool:
            answer = await api.client.get("/forums")
            return answer.status_code == 503 and (
                "broker" in answer.text or "forum service does not answer" in answer.text
            )

        await eventually(says_so, 30)
        assert (await api.client.get("/messages")).status_code == 200, "the log needs no broker"
    finally:
        running.sigcont("nats")
    pids = {child.name: child.pid for child in running.state.children}

    async def accepted() -> bool:
        return await asyncio.to_thread(_try_to_send, running, mail, garden) == 250

    await eventually(accepted, 30, what="SMTP takes mail again")
    await api.topics(forum, 1, 60)
    assert len(await account.sink.wait_for(1)) == 1
    assert {child.name: child.pid for child in running.state.children} == pids, "no restart"


def _try_to_send(system: System, mail, garden: str) -> int:
    try:
        with smtplib.SMTP("127.0.0.1", system.smtp_port, timeout=30) as client:
            client.sendmail(ANNA, [garden], wire(mail))
    except smtplib.SMTPRecipientsRefused as error:
        return next(iter(error.recipients.values()))[0]
    except smtplib.SMTPResponseException as error:
        return error.smtp_code
    return 250
