"""A stolen database, broker store or log gives no secret away (SECURITY §4)."""

import base64
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx
import pyotp

from postroom import services
from postroom.embedded import logins
from support.client import Api
from support.hostile import Hostile, Peer
from support.system import System
from support.waiting import eventually

SHORTEST = 9
"""What is shorter stands everywhere by chance."""


class Canaries:
    """Secrets by what they are; each stands nowhere but where it was given."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}

    def new(self, name: str) -> str:
        """A secret to be typed; with what URLs and JSON write in other ways."""
        return self.keep(name, f"cnry&{secrets.token_hex(8)}+ä{len(self.secrets)}")

    def keep(self, name: str, secret: str) -> str:
        """A secret that was made for us."""
        assert len(secret) >= SHORTEST, name
        self.secrets[name] = secret
        return secret

    def found_in(self, data: bytes) -> list[str]:
        """Which of them stand in there, plain, in base64 or as in a URL."""
        return [
            name
            for name, secret in self.secrets.items()
            if any(form in data for form in _forms(secret))
        ]


def _forms(secret: str) -> set[bytes]:
    raw = secret.encode()
    forms = {raw, quote(secret, safe="").encode(), raw.hex().encode()}
    forms |= {secret.encode("utf-16-le"), secret.replace("ä", "\\u00e4").encode()}
    for before in range(3):  # base64 of a text in which it stands at any place
        encoded = base64.b64encode(b"x" * before + raw)
        forms.add(encoded[4 if before else 0 : -4])
    return forms


async def echoing(peer: Peer) -> None:
    """An IMAP server that says back what it heard, passwords too."""
    await peer.say(b"* OK ready\r\n")
    while True:
        line = await peer.hear()
        tag, _, rest = line.partition(b" ")
        if rest.upper().startswith(b"CAPABILITY"):
            await peer.say(b"* CAPABILITY IMAP4rev1\r\n" + tag + b" OK done\r\n")
        else:
            await peer.say(tag + b" NO I do not like " + rest + b"\r\n")


def _key() -> dict[str, str]:
    return {"Idempotency-Key": secrets.token_hex(8)}


async def _post(client: httpx.AsyncClient, path: str, **body: Any) -> Any:
    answer = await client.post(f"/api/v1{path}", json=body, headers=_key())
    assert answer.is_success, (path, answer.text)
    return answer.json() if answer.content else None


async def _mailboxes(api: Api, canaries: Canaries, port: int) -> None:
    source = {
        "type": "imap", "host": "127.0.0.1", "port": port, "tls": "none", "login": "office",
        "password": canaries.new("mailbox"),
    }  # fmt: skip
    box = (await _post(api.client, "/mailboxes", name="Office", source=source))["id"]
    path = f"/api/v1/mailboxes/{box}"
    for body in (
        {"name": "", "source": {"password": canaries.new("refused by type")}},
        {"source": {"port": -1, "password": canaries.new("refused by range")}},
        {"source": {"password": canaries.new("refused by rule") + "\r\n"}},
        {"source": {"passwort": canaries.new("under a wrong name")}},
    ):
        assert (await api.client.patch(path, json=body)).status_code == 422
    broken = f'{{"name": "x", "source": {{"password": "{canaries.new("broken JSON")}", '
    assert (await api.client.post("/api/v1/mailboxes", content=broken)).status_code == 400
    changed = {"source": {"password": canaries.new("mailbox, changed")}}
    assert (await api.client.patch(path, json=changed)).status_code == 200
    tested = source | {"password": canaries.new("tested")}
    for where, body in (
        ("/mailboxes/test", {"name": "x", "source": tested}),
        (f"/mailboxes/{box}/test", {"source": {"password": canaries.new("tested, stored")}}),
        (f"/mailboxes/{box}/test", {}),
    ):
        operation = (await _post(api.client, where, **body))["id"]

        async def ended(operation: str = operation) -> bool:
            return bool((await api.get(f"/operations/{operation}"))["state"] != "running")

        await eventually(ended, 30, what="the test")
    await _post(api.client, f"/mailboxes/{box}/receive")

    async def checked() -> bool:
        return (await api.get(f"/mailboxes/{box}"))["last_check"] is not None

    await eventually(checked, 30, what="the check")


async def _services(api: Api, canaries: Canaries) -> None:
    oauth = {
        "use": "offered", "client_id": "us", "client_secret": canaries.new("OAuth client"),
        "authorize_url": "https://id.example.org/a", "token_url": "https://id.example.org/t",
    }  # fmt: skip
    imap = {"host": "imap.example.org"}
    made = await _post(api.client, "/services", name="House", imap=imap, oauth=oauth)
    await api.post(f"/services/{made['id']}/permission")
    link = await _post(api.client, "/connect-links", person="anna@example.org", service=made["id"])
    canaries.keep("connect link", link["url"].rpartition("/")[2])


async def _people(system: System, api: Api, canaries: Canaries) -> None:
    made = await _post(api.client, "/users", email="anna@example.org", name="Anna")
    canaries.keep("invitation", made["link"].rpartition("/")[2])
    async with httpx.AsyncClient(base_url=system.base_url, timeout=20) as client:
        first = canaries.new("first password")
        weak = {"name": "A", "password": first, "again": canaries.new("typed differently")}
        assert (await client.post(made["link"], data=weak)).status_code == 422
        form = {"name": "Anna", "password": first, "again": first}
        assert (await client.post(made["link"], data=form)).status_code == 303
        for password in (canaries.new("wrong at the door"), first):
            form = {"email": "anna@example.org", "password": password}
            answer = await client.post("/sign-in", data=form)
        assert answer.status_code == 303
        canaries.keep("session", client.cookies["postroom_session"])
        changes = [(canaries.new("wrong current"), first, 422), (first, canaries.new("new"), 204)]
        for current, password, status in changes:
            body = {"current": current, "password": password}
            answer = await client.put("/api/v1/me/password", json=body)
            assert answer.status_code == status, answer.text
        drawn = await _post(client, "/me/second-factor")
        canaries.keep("second factor", drawn["secret"])
        code = pyotp.TOTP(drawn["secret"]).now()
        for number, one in enumerate(
            (await _post(client, "/me/second-factor/confirm", code=code))["recovery_codes"]
        ):
            canaries.keep(f"recovery code {number}", one)
        token = await _post(client, "/tokens", name="cron", scopes=["forums:read"])
        canaries.keep("token", token["secret"])
    again = await _post(api.client, f"/users/{made['user']['id']}/link")
    canaries.keep("reset link", again["link"].rpartition("/")[2])
    wrong = {"Authorization": f"Bearer {canaries.keep('wrong token', secrets.token_hex(20))}"}
    assert (await api.client.get("/api/v1/me", headers=wrong)).status_code == 401


async def _rows(system: System) -> dict[str, bytes]:
    """Every table of every schema, with all that stands in it."""
    found: dict[str, bytes] = {}
    for login in (logins.WORKER, logins.FORUM, logins.FETCH):
        url = (system.home.path / "secrets" / services.url_file(login)).read_text().strip()
        connection = await asyncpg.connect(url)
        try:
            for schema, table in await connection.fetch(
                "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type ="
                " 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')"
                " AND has_table_privilege(format('%I.%I', table_schema, table_name), 'SELECT')"
            ):
                rows = await connection.fetch(f'SELECT * FROM "{schema}"."{table}"')
                values = [value for row in rows for value in row.values()]
                found[f"{schema}.{table}"] = b"\0".join(
                    value if isinstance(value, bytes) else str(value).encode() for value in values
                )
        finally:
            await connection.close()
    return found


def _files(home: Path) -> list[Path]:
    """All that lies in the home, but for what is there for secrets, for the owner's eyes only."""
    configuration = home / "nats" / "nats.conf"  # the broker's users, no store
    assert configuration.stat().st_mode & 0o077 == 0
    return [
        path
        for path in sorted(home.rglob("*"))
        if path.is_file() and not path.is_relative_to(home / "secrets") and path != configuration
    ]


LOOKED_AT = (
    "/api/v1/mailboxes", "/api/v1/services", "/api/v1/users", "/api/v1/users/tokens",
    "/api/v1/tokens", "/api/v1/audit?limit=200", "/api/v1/system", "/api/v1/overview",
    "/api/v1/me/sessions", "/api/v1/export/mailboxes", "/mailboxes", "/services", "/users",
    "/audit", "/system", "/tokens", "/",
)  # fmt: skip


async def test_no_store_holds_a_secret(system: System) -> None:
    """Tables, the broker's store, logs, all other files, answers and pages: no canary anywhere."""
    canaries = Canaries()
    system.start()
    await system.wait_ready()
    async with Hostile(echoing) as server, Api(system) as api:
        await _mailboxes(api, canaries, server.port)
        assert any(canaries.secrets["mailbox, changed"].encode() in one for one in server.heard)
        await _people(system, api, canaries)
        await _services(api, canaries)
        canaries.keep("bootstrap token", system.admin_token)
        canaries.keep("bootstrap password", system.admin_password)
        for path in sorted((system.home.path / "secrets").iterdir()):
            text = path.read_text().strip()
            if "public" not in path.name and len(text) >= SHORTEST:
                canaries.keep(f"secrets/{path.name}", text)
        assert len(canaries.secrets) > 40
        places = {path: (await api.client.get(path)).content for path in LOOKED_AT}
    rows = await _rows(system)
    assert rows["config.idempotency"], "the answers of repeatable requests are looked at"
    places |= rows
    places |= {
        str(p.relative_to(system.home.path)): p.read_bytes() for p in _files(system.home.path)
    }
    places["what `up` said"] = system.log.encode()
    found = [
        f"{where}: {name}" for where, data in places.items() for name in canaries.found_in(data)
    ]
    assert not found, "\n".join(found)
