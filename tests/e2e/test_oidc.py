"""Signing in with somebody else's word for it: a small provider that is real over HTTP."""

import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwk

from support.client import Api
from support.oidc import OidcProvider
from support.system import System

ANNA = "anna@example.org"


async def attempt(
    system: System, where: str = "/messages"
) -> tuple[httpx.Response, dict[str, Any]]:
    """Go to the provider and come back; the answer, and the session's `me` or {}."""
    async with httpx.AsyncClient(base_url=system.base_url, timeout=20) as client:
        away = await client.get("/sign-in/oidc", params={"next": where})
        assert away.status_code == 303, away.text
        back = await client.get(away.headers["location"])
        answer = await client.get(back.headers["location"])
        me = await client.get("/api/v1/me")
        again = await client.get(back.headers["location"])
        assert again.status_code == 401, "once"
        return answer, me.json() if me.status_code == 200 else {}


async def refused(system: System, words: str = "did not say who you are") -> None:
    answer, me = await attempt(system)
    assert answer.status_code == 401, answer.text
    assert words in answer.text
    assert me == {}


@pytest.fixture
def provider():
    with OidcProvider() as made:
        yield made


async def test_who_is_vouched_for_and_known_comes_in(
    tmp_path, untouched: System, provider: OidcProvider
) -> None:
    system = System(tmp_path, provider.environment)
    system.begin_as(untouched)
    system.start()
    try:
        await system.wait_ready()
        async with Api(system) as api:
            await story(system, api, provider)
        for part in ("smtp", "rules", "fetcher", "forum-bridge"):
            environment = Path(f"/proc/{system.pid(part)}/environ").read_bytes()
            assert b"OIDC" not in environment, "a secret of the api's alone"
    finally:
        system.stop()


async def story(system: System, api: Api, provider: OidcProvider) -> None:
    page = await api.client.get("/sign-in")
    assert "Sign in with 127.0.0.1" in page.text
    provider.claims["email"] = ANNA
    await refused(system, "no active user with the address")
    invited = await api.post("/users", email=ANNA, name="Anna")
    await refused(system, "no active user with the address")
    form = {"name": "Anna", "password": "tomatoes in may", "again": "tomatoes in may"}
    async with httpx.AsyncClient() as client:
        assert (await client.post(invited["link"], data=form)).status_code == 303
    provider.claims["email"] = "Anna@Example.org"
    answer, me = await attempt(system)
    assert (answer.status_code, answer.headers["location"]) == (303, "/messages")
    assert me["email"] == ANNA
    answer, _ = await attempt(system, "//evil.example/")
    assert answer.headers["location"] == "/"

    now = int(time.time())
    for faults in (
        {"aud": "another"}, {"iss": "https://evil.example"}, {"nonce": "another"},
        {"exp": now - 3600}, {"email_verified": False}, {"email_verified": "true"},
        {"azp": "another"}, {"email": None},
    ):  # fmt: skip
        provider.faults = faults
        await refused(system)
    provider.faults = {}
    provider.algorithm = "HS256"
    await refused(system)
    provider.algorithm = "RS256"
    provider.signing = jwk.RSAKey.generate_key(2048, {"kid": "one"}, private=True)
    await refused(system)
    provider.key = provider.signing  # the provider has changed its keys
    answer, me = await attempt(system)
    assert me["email"] == ANNA

    async with httpx.AsyncClient(base_url=system.base_url, timeout=20) as client:
        away = await client.get("/sign-in/oidc")
        back = (await client.get(away.headers["location"])).headers["location"]
        async with httpx.AsyncClient(base_url=system.base_url, timeout=20) as other:
            assert (await other.get(back)).status_code == 401, "another browser"
        wrong = str(httpx.URL(back).copy_set_param("state", "another"))
        assert (await client.get(wrong)).status_code == 401
    users = {user["email"]: user["id"] for user in (await api.get("/users"))["data"]}
    deactivate = await api.client.patch(
        f"/api/v1/users/{users[ANNA]}", json={"state": "deactivated"}
    )
    assert deactivate.is_success
    await refused(system, "no active user with the address")
    signed_in = await api.get("/audit?action=person.signed_in&person=Anna")
    assert {entry["detail"]["way"] for entry in signed_in["data"]} == {"oidc"}


async def test_whoever_is_vouched_for_becomes_a_user_where_that_is_set(
    tmp_path, untouched: System, provider: OidcProvider
) -> None:
    system = System(tmp_path, {**provider.environment, "POSTROOM_OIDC_PROVISION": "true"})
    system.begin_as(untouched)
    system.start()
    try:
        await system.wait_ready()
        provider.claims |= {"email": "ben@example.org", "name": "Ben Cole"}
        for _ in range(2):
            _, me = await attempt(system)
            assert (me["name"], me["role"]) == ("Ben Cole", "user")
        async with Api(system) as api:
            (ben,) = (await api.get("/users?search=ben"))["data"]
            await api.client.patch(f"/api/v1/users/{ben['id']}", json={"state": "deactivated"})
        await refused(system, "no active user with the address")
    finally:
        system.stop()
