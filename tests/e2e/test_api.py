"""How the API behaves whatever is asked (INTERFACES §3)."""

import asyncio
import json
import re
from typing import Any

import httpx

from support.client import Api
from support.sharing import Account
from support.system import System


async def test_a_repeated_creation_creates_once(account: Account) -> None:
    api = account.api
    body = {"name": "Support", "source": {"type": "smtp", "addresses": [account.at("s")]}}
    key = {"Idempotency-Key": "one"}
    first = await api.client.post("/api/v1/mailboxes", json=body, headers=key)
    again = await api.client.post("/api/v1/mailboxes", json=body, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["content-type"] == first.headers["content-type"]
    assert len((await api.get("/mailboxes"))["data"]) == 1

    other = await api.client.post("/api/v1/mailboxes", json={**body, "name": "x"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    bad = await api.client.post(
        "/api/v1/mailboxes", json=body, headers={"Idempotency-Key": "x" * 256}
    )
    assert (bad.status_code, bad.json()["code"]) == (400, "bad_idempotency_key")

    # A refusal is an answer too; and ten at once make one.
    wrong = {"Idempotency-Key": "two"}
    refused = [
        await api.client.post("/api/v1/mailboxes", json={"name": ""}, headers=wrong)
        for _ in range(2)
    ]
    assert [one.status_code for one in refused] == [422, 422]
    assert refused[1].headers["idempotency-replayed"] == "true"
    many = {"Idempotency-Key": "three"}
    body["source"]["addresses"] = [account.at("t")]  # type: ignore[index]  # a test's own words
    answers = await asyncio.gather(
        *(api.client.post("/api/v1/mailboxes", json=body, headers=many) for _ in range(10))
    )
    assert {one.status_code for one in answers} <= {201, 409}
    assert len({one.json()["id"] for one in answers if one.status_code == 201}) == 1


async def test_every_answer_carries_its_id_and_pace(account: Account) -> None:
    api = account.api
    answer = await api.client.get("/api/v1/mailboxes", headers={"X-Request-Id": "mine-1"})
    assert answer.headers["x-request-id"] == "mine-1"
    assert answer.headers["ratelimit-policy"] == '"default";q=12000;w=60'
    assert answer.headers["ratelimit"].startswith('"default";r=')
    forged = await api.client.get("/api/v1/mailboxes", headers={"X-Request-Id": "a b"})
    assert forged.headers["x-request-id"] != "a b"
    missing = await api.client.get("/api/v1/mailboxes/none", headers={"X-Request-Id": "mine-2"})
    assert missing.json()["instance"] == "mine-2"
    problem = await api.client.get(missing.json()["type"])
    assert problem.status_code == 200


async def test_too_many_requests_are_told_when_to_come_again(tmp_path, untouched: System) -> None:
    system = System(tmp_path, {"POSTROOM_HTTP_REQUESTS": "60"})
    system.begin_as(untouched)
    system.start()
    try:
        await system.wait_ready()
        async with Api(system) as api:
            answers = [await api.client.get("/api/v1/rules") for _ in range(80)]
            late = answers[-1]
            assert answers[0].status_code == 200
            assert (late.status_code, late.json()["code"]) == (429, "too_many_requests")
            assert int(late.headers["retry-after"]) > 0
            assert late.headers["ratelimit"].startswith('"default";r=0;')
            async with httpx.AsyncClient(base_url=system.base_url) as stranger:
                assert (await stranger.get("/sign-in")).status_code == 200
    finally:
        system.stop()


async def test_whole_lists_come_as_lines(account: Account) -> None:
    api = account.api
    for number in range(3):
        source = {"type": "smtp", "addresses": [account.at(f"s{number}")]}
        await api.post("/mailboxes", name=f"S{number}", source=source)
    answer = await api.client.get("/api/v1/export/mailboxes")
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    rows = [json.loads(line) for line in answer.text.splitlines()]
    assert rows == (await api.get("/mailboxes"))["data"]
    assert (await api.client.get("/api/v1/export/messages")).text == ""
    unknown = await api.client.get("/api/v1/export/passwords")
    assert unknown.status_code in {400, 404, 422}


async def test_every_update_can_be_bound_to_what_was_read(running: System, api: Api) -> None:
    service = await api.post("/services", name="Ours", imap={"host": "imap.example.net"})
    user = (await api.post("/users", email="anna@example.org", name="Anna", role="user"))["user"]
    account = await api.post("/accounts", name="Second")
    for where, change in (
        (f"/services/{service['id']}", {"name": "Theirs"}),
        (f"/users/{user['id']}", {"name": "Anna Berg"}),
        (f"/accounts/{account['id']}", {"name": "Third"}),
        ("/mailbox-policy", {"mailboxes_per_user": 3}),
        ("/me", {"name": "Ada"}),
    ):
        path = f"/api/v1{where}"
        read = (await api.client.get(path)).headers["etag"]
        bound = {"If-Match": read}
        first = await api.client.patch(path, json=change, headers=bound)
        assert first.status_code == 200, (where, first.text)
        late = await api.client.patch(path, json=change, headers=bound)
        assert (late.status_code, late.json()["code"]) == (412, "stale"), where
        assert (await api.client.get(path)).headers["etag"] == first.headers["etag"] != read
        again = await api.client.patch(path, json=change, headers={"If-Match": "*"})
        assert again.status_code == 200, where
        # What changed nothing is the same version: others need not read again.
        assert again.headers["etag"] == first.headers["etag"], where


async def test_nobody_overwrites_what_they_have_not_read(account: Account) -> None:
    api = account.api
    source = {"type": "smtp", "addresses": [account.at("s")]}
    made = await api.post("/mailboxes", name="One", source=source)
    where = f"/api/v1/mailboxes/{made['id']}"
    read = (await api.client.get(where)).headers["etag"]
    first = await api.client.patch(where, json={"name": "Two"}, headers={"If-Match": read})
    assert first.status_code == 200
    late = await api.client.patch(where, json={"name": "Three"}, headers={"If-Match": read})
    assert (late.status_code, late.json()["code"]) == (412, "stale")
    tag = first.headers["etag"]
    assert tag != read
    assert (await api.client.get(where)).headers["etag"] == tag
    assert (await api.client.patch(where, json={}, headers={"If-Match": "*"})).status_code == 200

    # Without a version, patches of many fields at once all count.
    fields = [{"name": "Four"}, {"description": "d"}, {"limits": {"keep_days": 3}}]
    answers = await asyncio.gather(*(api.client.patch(where, json=one) for one in fields))
    assert {one.status_code for one in answers} == {200}
    found = await api.get(f"/mailboxes/{made['id']}")
    assert (found["name"], found["description"], found["limits"]["keep_days"]) == ("Four", "d", 3)


async def test_a_nul_is_refused_wherever_it_stands(account: Account) -> None:
    """Postgres keeps it in no text: whatever is asked with one, it is not our fault."""
    api = account.api
    description = (await api.client.get("/schema/openapi.json")).json()
    asked: list[tuple[str, str, Any]] = [
        ("POST", "/api/v1/messages/marks", {"messages": ["a\0"], "mark": "read"}),
        ("POST", "/api/v1/queue", {"domain": "a\0.example"}),
        ("POST", "/api/v1/suppressions", {"address": "a\0@b.example"}),
        ("POST", "/api/v1/mailboxes", {"name": "a\0", "source": {"type": "smtp"}}),
    ]
    for path, methods in description["paths"].items():
        for method in {"get", "delete"} & methods.keys():
            places = methods[method].get("parameters", [])
            texts = [
                one["name"]
                for one in places
                if one["in"] == "query" and "string" in json.dumps(one["schema"])
            ]
            if "{" in path:
                asked.append((method, re.sub(r"\{\w+\}", "%00", path), None))
            else:
                asked += [(method, f"{path}?{name}=%00", None) for name in texts]
    assert len(asked) > 60
    answers = [
        (method, where, (await api.client.request(method, where, json=body)).status_code)
        for method, where, body in asked
    ]
    assert [one for one in answers if one[2] >= 500] == []
    marks = await api.client.post("/api/v1/messages/marks", json=asked[0][2])
    assert (marks.status_code, "NUL" in marks.json()["detail"]) == (422, True)
