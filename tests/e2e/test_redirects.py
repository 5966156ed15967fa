"""A stored password goes nowhere but where it was given for (SECURITY §4, stolen by redirect)."""

from typing import Any

import pytest

from support.hostile import Hostile, Peer
from support.operator import database
from support.sharing import Account
from support.waiting import eventually

SECRET = "cnry-only-for-the-first-server"


async def listening(peer: Peer) -> None:
    """A server that agrees to everything and remembers what it heard."""
    await peer.say(b"* OK ready\r\n")
    while True:
        tag, _, rest = (await peer.hear()).partition(b" ")
        if rest.upper().startswith(b"CAPABILITY"):
            await peer.say(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n")
        await peer.say(tag + b" OK done\r\n")


def source(port: int, **changes: Any) -> dict[str, Any]:
    return {
        "type": "imap", "host": "127.0.0.1", "port": port, "tls": "none", "login": "office",
        "password": SECRET, **changes,
    }  # fmt: skip


@pytest.mark.parametrize("how", ["PATCH", "test"])
async def test_who_changes_where_it_goes_must_type_it_again(account: Account, how: str) -> None:
    """By PATCH and by a test of the stored one: 422 at the password, and nobody hears it."""
    api = account.api
    async with Hostile(listening) as fake, Hostile(listening) as real:
        box = await api.post("/mailboxes", name="Office", source=source(real.port))
        path = f"/api/v1/mailboxes/{box['id']}"
        for change in (
            {"host": "localhost", "port": fake.port}, {"port": fake.port}, {"login": "boss"},
            {"tls": "starttls"}, {"verify": False}, {"host": "localhost"},
            {"port": fake.port, "password": None}, {"port": fake.port, "password": ""},
        ):  # fmt: skip
            if how == "PATCH":
                answer = await api.client.patch(path, json={"source": change})
            else:
                answer = await api.client.post(f"{path}/test", json={"source": change})
            assert answer.status_code == 422, (change, answer.text)
            pointers = [one["pointer"] for one in answer.json()["errors"]]
            assert "/source/password" in pointers, answer.text
        assert (fake.connections, real.connections) == (0, 0)


async def test_a_password_in_another_row_is_refused(account: Account) -> None:
    """Two rows' sealed values change places in the database: the fetcher opens neither."""
    running, api = account.system, account.api
    async with Hostile(listening) as fake, Hostile(listening) as real:
        theirs = await api.post("/mailboxes", name="Office", source=source(real.port))
        mine = source(fake.port, login="me", password="mine and known")
        bait = await api.post("/mailboxes", name="Bait", source=mine)
        async with database(running) as connection:
            await connection.execute(
                "UPDATE config.mailbox m SET sealed_password = o.sealed_password"
                " FROM config.mailbox o WHERE m.id = ANY($1) AND o.id = ANY($1) AND o.id <> m.id",
                [theirs["id"], bait["id"]],
            )
        # Testing asks the row itself; a change of the name publishes it to the fetcher.
        begun = await api.post(f"/mailboxes/{bait['id']}/test")

        async def ended() -> Any:
            found = await api.get(f"/operations/{begun['id']}")
            return found if found["state"] != "running" else None

        assert "enter it again" in str(await eventually(ended, 30, what="the test"))
        renamed = await api.client.patch(f"/api/v1/mailboxes/{bait['id']}", json={"name": "B"})
        assert renamed.status_code == 200
        await api.post(f"/mailboxes/{bait['id']}/receive")

        async def refused() -> Any:
            check = (await api.get(f"/mailboxes/{bait['id']}"))["last_check"]
            return check and check["state"] == "refused" and "enter it again" in check["error"]

        await eventually(refused, 30, what="the refusal")
        assert SECRET.encode() not in b"".join(fake.heard)
        assert b"mine and known" not in b"".join(real.heard)
