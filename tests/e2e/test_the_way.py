"""Mail comes in, the forum discusses, mail goes out."""

import asyncio
import email
import email.policy
from email.message import EmailMessage

from support.client import Api, letter, send, wire
from support.sharing import Account
from support.sink import Received, Sink
from support.system import System
from support.waiting import eventually

GARDEN = "garden@example.org"
ANNA, BEN, CARA = "anna@example.net", "ben@example.com", "cara@example.net"


def read(received: Received) -> EmailMessage:
    return email.message_from_bytes(received.raw, policy=email.policy.default)  # type: ignore[return-value]


async def test_a_mail_becomes_a_topic_and_an_answer_finds_its_way_back(
    running: System, api: Api, sink: Sink
) -> None:
    forum = await api.forum("Garden", GARDEN, ANNA, BEN, CARA)
    mail = letter(
        f"Anna <{ANNA}>", GARDEN, "Tomatoes", "When to plant?\n", message_id="t1@example.net"
    )
    await asyncio.to_thread(send, running, mail, ANNA, GARDEN)

    (topic,) = await api.topics(forum, 1)
    assert topic["title"] == "Tomatoes"
    (post,) = await api.posts(topic["id"], 1)
    assert (post["text"].strip(), post["author_name"], post["origin"]) == (
        "When to plant?",
        "Anna",
        "mail",
    )
    copies = await sink.wait_for(2)
    assert sorted(one.rcpt_tos for one in copies) == [(BEN,), (CARA,)]
    for copy in copies:
        seen = read(copy)
        assert seen["Message-ID"] == f"<{post['message_id']}>" == "<t1@example.net>"
        assert "<garden.example.org>" in seen["List-Id"]
        assert seen["List-Post"] == f"<mailto:{GARDEN}>"
        assert "mailto:garden+u" in seen["List-Unsubscribe"]
        assert f"<{running.base_url}/unsubscribe/u" in seen["List-Unsubscribe"]
        assert seen["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert copy.mail_from.startswith("garden+b")
        assert copy.mail_from.endswith("@example.org")
        assert "Tomatoes" in seen["Subject"]
    assert copies[0].mail_from != copies[1].mail_from

    # Ben answers from his mail program: to the reply address, threaded by header.
    bens = read(sink.to(BEN)[0])
    reply_to = bens["Reply-To"].addresses[0].addr_spec
    answer = letter(
        f"Ben <{BEN}>", reply_to, "Re: " + bens["Subject"], "In May.\n",
        message_id="a1@example.com", in_reply_to="t1@example.net", references="<t1@example.net>",
    )  # fmt: skip
    await asyncio.to_thread(send, running, answer, BEN, reply_to)
    posts = await api.posts(topic["id"], 2)
    assert [one["author_name"] for one in posts] == ["Anna", "Ben"]
    assert posts[1]["parent"] == posts[0]["id"]
    await sink.wait_for(4)
    assert len(sink.to(ANNA)) == 1
    assert len(sink.to(CARA)) == 2
    assert len(sink.to(BEN)) == 1, "the author gets no copy"

    # A reply written on the page goes out with headers that mail programs thread.
    written = await api.post(f"/topics/{topic['id']}/posts", text="Not before the ice saints.")
    assert written["parent"] == posts[1]["id"]
    await sink.wait_for(7)
    webs = read(sink.to(CARA)[-1])
    assert webs["In-Reply-To"] == "<a1@example.com>"
    assert webs["References"].split() == ["<t1@example.net>", "<a1@example.com>"]
    assert webs["Message-ID"] == f"<{written['message_id']}>"
    assert "ice saints" in webs.get_body().get_content()
    for one in sink.received:
        assert one.raw.count(b"\n") == one.raw.count(b"\r\n") == one.raw.count(b"\r")

    async def all_delivered() -> bool:
        found = await api.posts(topic["id"], 3)
        return [one["deliveries"]["delivered"] for one in found] == [2, 2, 3]

    await eventually(all_delivered, what="each post knows who got it")

    # Everything survives a restart, and nothing is mailed again.
    assert running.interrupt() == 0
    running.start()
    await running.wait_ready()
    assert [one["text"].strip() for one in await api.posts(topic["id"], 3)] == [
        "When to plant?",
        "In May.",
        "Not before the ice saints.",
    ]
    await api.messages(2)
    await asyncio.to_thread(
        send, running, letter(ANNA, GARDEN, "Beans", message_id="t2@x"), ANNA, GARDEN
    )
    await api.topics(forum, 2)
    await sink.wait_for(9)
    assert len(sink.received) == 9


async def test_the_log_says_why_and_gives_the_bytes_back(account: Account) -> None:
    running, api = account.system, account.api
    garden, anna = account.at("garden"), account.person("anna")
    forum = await api.forum("Garden", garden)
    mail = letter(anna, garden, "Grüße", message_id="g1@example.net")
    await asyncio.to_thread(send, running, mail, anna, garden)
    (row,) = await api.messages(1)
    assert (row["subject"], row["envelope_sender"], row["recipient"]) == ("Grüße", anna, garden)
    trace = (await api.get(f"/messages/{row['id']}/trace"))["decision"]
    (rule,) = trace["trace"]
    assert rule["matched"]
    assert rule["conditions"][0]["value"] == garden
    assert rule["done"] == [f"posted to forum {forum}"]
    raw = await api.client.get(f"/api/v1/messages/{row['id']}/raw")
    assert raw.headers["content-type"].startswith("message/rfc822")
    assert raw.headers["content-disposition"].startswith("attachment")
    assert raw.content.startswith(b"Received: ")
    assert raw.content.endswith(wire(mail))
    found = await api.get(f"/messages/{row['id']}")
    assert found["summary"]["message_id"] == "g1@example.net"
    mailboxes = (await api.get("/mailboxes"))["data"]
    assert [box["source"]["addresses"] for box in mailboxes] == [[garden]]
    rules = (await api.get("/rules"))["data"]
    assert garden in rules[0]["sentence"]


async def test_each_recipient_has_it_exactly_once(account: Account) -> None:
    """{A,B}, then the same bytes to {A,B}, {A,C}, {B,A,D}, {C,C}: every transaction got 250."""
    running, api = account.system, account.api
    anna = account.person("anna")
    a, b, c, d = (account.at(name) for name in "abcd")
    forums = {address: await api.forum(address[0].upper(), address) for address in (a, b, c, d)}
    raw = letter(anna, f"{a}, {b}", "Once", message_id="once@example.net")
    for recipients in ((a, b), (a, b), (a, c), (b, a, d), (c, c)):
        await asyncio.to_thread(send, running, raw, anna, *recipients)
    rows = await api.messages(4)
    assert sorted(row["recipient"] for row in rows) == [a, b, c, d]
    for forum in forums.values():
        (topic,) = await api.topics(forum, 1)
        await api.posts(topic["id"], 1)
    # A later mail is behind all of them in every queue: when it is through, so are they.
    last = letter(anna, a, "Last", message_id="last@example.net")
    await asyncio.to_thread(send, running, last, anna, a, b, c, d)
    for forum in forums.values():
        await api.topics(forum, 2)
    await api.messages(8)


async def test_programs_and_our_own_posts_are_not_posted(account: Account) -> None:
    running, api, sink = account.system, account.api, account.sink
    garden, anna, ben = account.at("garden"), account.person("anna"), account.person("ben")
    forum = await api.forum("Garden", garden, ben)
    vacation = letter(anna, garden, "Away", message_id="v@x", Auto_Submitted="auto-replied")
    bulk = letter(anna, garden, "Bulk", message_id="bulk@x", Precedence="bulk")
    listed = letter(anna, garden, "List", message_id="list@x", List_Id="<x.example.com>")
    bounce = letter("mailer-daemon@example.net", garden, "Undelivered", message_id="dsn@x")
    for mail, sender in ((vacation, anna), (bulk, anna), (listed, anna), (bounce, "")):
        await asyncio.to_thread(send, running, mail, sender, garden)
    real = letter(anna, garden, "Real", message_id="real@x")
    await asyncio.to_thread(send, running, real, anna, garden)
    await api.topics(forum, 1)
    (copy,) = await sink.wait_for(1)
    await asyncio.to_thread(send, running, copy.raw, ben, garden)  # forwarded back by a program
    await api.messages(6)
    last = letter(anna, garden, "Last", message_id="last@x")
    await asyncio.to_thread(send, running, last, anna, garden)
    await api.topics(forum, 2)
    assert len(await sink.wait_for(2)) == 2


async def test_leaving_is_a_post_and_a_look_changes_nothing(account: Account) -> None:
    running, api, sink = account.system, account.api, account.sink
    garden = account.at("garden")
    anna, ben, cara = (account.person(name) for name in ("anna", "ben", "cara"))
    forum = await api.forum("Garden", garden, ben, cara)
    await asyncio.to_thread(
        send, running, letter(anna, garden, "One", message_id="1@x"), anna, garden
    )
    await sink.wait_for(2)
    link = read(sink.to(ben)[0])["List-Unsubscribe"].split("<")[-1].rstrip(">")
    path = link.removeprefix(running.base_url)
    async with Api(running, {}) as anybody:
        stranger = anybody.client
        assert ben in (await stranger.get(path)).text
        wrong = path[:-1] + ("a" if path[-1] != "a" else "b")
        assert (await stranger.get(wrong)).status_code == 404
        left = await stranger.post(path, content="List-Unsubscribe=One-Click")
        assert left.status_code == 200
        assert "gets no more mail" in left.text
    members = (await api.get(f"/forums/{forum}/members"))["data"]
    assert [member["email"] for member in members] == [cara]
    await asyncio.to_thread(
        send, running, letter(anna, garden, "Two", message_id="2@x"), anna, garden
    )
    await sink.wait_for(3)
    assert len(sink.to(ben)) == 1


async def test_a_refusal_is_tried_again_and_a_final_one_is_not(
    tmp_path, untouched: System, sink: Sink
) -> None:
    system = System(tmp_path, {"POSTROOM_RELAY": sink.relay, "POSTROOM_TIME_SCALE": "0.01"})
    system.begin_as(untouched)
    sink.refuse(BEN, "451 4.3.0 come back later")
    sink.refuse(CARA, "550 5.1.1 nobody of that name")
    system.start()
    try:
        await system.wait_ready()
        async with Api(system) as api:
            await api.forum("Garden", GARDEN, BEN, CARA)
            mail = letter(ANNA, GARDEN, "Retry", message_id="r@x")
            await asyncio.to_thread(send, system, mail, ANNA, GARDEN)

            async def states() -> dict[str, str]:
                rows = (await api.get("/deliveries"))["data"]
                return {row["recipient"]: row["state"] for row in rows}

            async def deferred() -> bool:
                return await states() == {BEN: "deferred", CARA: "failed"}

            await eventually(deferred, 30)
            sink.accept(BEN)

            async def delivered() -> bool:
                return await states() == {BEN: "delivered", CARA: "failed"}

            await eventually(delivered, 60)
            assert len(sink.to(BEN)) == 1
            rows = (await api.get("/deliveries"))["data"]
            reply = next(row["reply"] for row in rows if row["recipient"] == CARA)
            assert "nobody of that name" in reply
    finally:
        system.stop()


async def test_without_a_relay_nothing_leaves_and_all_is_shown(tmp_path, untouched: System) -> None:
    system = System(tmp_path)
    system.begin_as(untouched)
    system.start()
    try:
        await system.wait_ready()
        async with Api(system) as api:
            await api.forum("Garden", GARDEN, BEN)
            mail = letter(f"Anna <{ANNA}>", GARDEN, "Captured", "Seen?\n", message_id="c@x")
            await asyncio.to_thread(send, system, mail, ANNA, GARDEN)

            async def captured():
                return (await api.get("/deliveries"))["data"]

            (row,) = await eventually(captured)
            assert (row["recipient"], row["state"]) == (BEN, "captured")
            copy = await api.client.get(f"/api/v1/deliveries/{row['serial']}/raw")
            seen = email.message_from_bytes(copy.content, policy=email.policy.default)
            assert seen["Message-ID"] == "<c@x>"
            assert "garden+r" in seen["Reply-To"]
            assert "Seen?" in seen.get_body().get_content()
    finally:
        system.stop()


async def test_bad_input_is_answered_with_a_problem(account: Account) -> None:
    api = account.api
    garden = account.at("garden")
    for method, path, body, status, code in (
        ("GET", "/forums/frm_none/topics", None, 404, "not_found"),
        ("GET", "/topics/top_none/posts", None, 404, "not_found"),
        ("POST", "/topics/top_none/posts", {"text": "x"}, 404, "not_found"),
        ("POST", "/forums", {"name": "X", "address": "no address"}, 422, "invalid"),
        ("POST", "/forums", {"name": "X", "address": account.at("x"), "z": 1}, 422, "invalid"),
        ("POST", "/forums", {"name": "X"}, 422, "invalid"),
        ("GET", "/messages?limit=0", None, 422, "invalid"),
        ("GET", "/messages?cursor=!!", None, 400, "bad_cursor"),
        ("GET", "/messages/msg_none", None, 404, "not_found"),
        ("GET", "/nothing", None, 404, "http"),
        ("PUT", "/forums", {}, 405, "http"),
    ):
        answer = await api.client.request(method, f"/api/v1{path}", json=body)
        assert answer.status_code == status, (path, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert (problem["status"], problem["code"]) == (status, code)
        assert problem["detail"]
        assert answer.headers["x-request-id"] == problem["instance"]
        assert (await api.client.get(problem["type"])).status_code == 200
    await api.forum("Garden", garden)
    again = await api.client.post("/api/v1/forums", json={"name": "B", "address": garden})
    assert again.status_code == 409
    assert again.json()["errors"][0]["pointer"] == "/address"
    async with Api(account.system, {"Authorization": "Bearer wrong"}) as stranger:
        assert (await stranger.client.get("/api/v1/forums")).status_code == 401
