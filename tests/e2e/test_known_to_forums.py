"""Rules ask what the forums know of a mail: whether its author is a member, whether it answers."""

import asyncio

from support.client import letter, send
from support.sharing import Account


def asks(field: str, value: str, tag: str) -> dict:
    test = {"kind": "test", "field": field, "operator": "equals", "values": [value]}
    return {"name": tag, "condition": test, "actions": [{"kind": "add_tag", "tag": tag}]}


async def test_members_and_answers_are_known(account: Account) -> None:
    api, anna = account.api, f"anna@out.{account.domain}"
    forum = await api.post("/forums", name="Garden", address=account.at("garden"))
    await api.post(f"/forums/{forum['id']}/members", email=anna.upper())
    box = account.at("office")
    await api.post("/mailboxes", name="Office", source={"type": "smtp", "addresses": [box]})
    for rule in (
        asks("member", "yes", "member"), asks("member", "no", "stranger"),
        asks("known_thread", "yes", "answer"),
    ):  # fmt: skip
        await api.post("/rules", **rule)

    async def write(sender: str, to: str, subject: str, name: str, answers: str = "") -> None:
        mail = letter(sender, to, subject, "x", message_id=name)
        if answers:
            mail["In-Reply-To"] = f"<{answers}>"
        await asyncio.to_thread(send, account.system, mail, sender, to)

    await write(anna, account.at("garden"), "Tomatoes", "1@x")
    await api.topics(forum["id"], 1)
    await write(anna, box, "Re: Tomatoes", "2@x", "1@x")
    await write("bert@example.com", box, "Hello", "3@x", "other@x")
    tags = {row["subject"]: set(row["tags"]) for row in await api.messages(3)}
    assert tags["Re: Tomatoes"] == {"member", "answer"}
    assert tags["Hello"] == {"stranger"}
    wrong = await api.client.post("/api/v1/rules", json=asks("member", "perhaps", "x"))
    assert wrong.status_code == 422
