"""What rules do that has a memory: automatic answers, tickets, webhooks, events of one's own."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from playwright.async_api import expect

from support import browser
from support.client import letter, send
from support.pictures import DESK, take
from support.sharing import Account
from support.sink import Received
from support.waiting import eventually

ALWAYS = {"kind": "group", "mode": "all", "of": []}


def people(account: Account) -> tuple[str, str]:
    """Two who write from outside; the sink knows them by the account's domain."""
    return f"anna@out.{account.domain}", f"bert@out.{account.domain}"


def read(received: Received) -> EmailMessage:
    return message_from_bytes(received.raw, policy=policy.default)


async def office(account: Account, *actions: dict[str, Any]) -> str:
    """A mailbox with one rule for all its mail; return its address."""
    box = account.at("office")
    await account.api.post("/mailboxes", name="Office", source={"type": "smtp", "addresses": [box]})
    await account.api.post("/rules", name="All", condition=ALWAYS, actions=list(actions))
    return box


async def write(account: Account, sender: str, subject: str, name: str, **fields: str) -> None:
    mail = letter(sender, account.at("office"), subject, f"text of {name}", message_id=name)
    for field, value in fields.items():
        mail[field.replace("_", "-")] = value
    await asyncio.to_thread(send, account.system, mail, sender, account.at("office"))


async def test_people_are_answered_once_and_programs_never(account: Account) -> None:
    anna, bert = people(account)
    box = await office(
        account, {"kind": "auto_reply", "text": "Back on Monday: {subject}", "days": 7}
    )
    await write(account, anna, "Question", "1@x")
    await account.sink.wait_for(1)  # two on the way at once might change places
    await write(account, anna, "Another", "2@x")
    await write(account, bert, "News", "3@x", List_Id="<news.example.com>", Precedence="bulk")
    await write(account, bert, "Away", "4@x", Auto_Submitted="auto-replied")
    await account.api.messages(4)
    (answer,) = await account.sink.wait_for(1)
    assert (answer.mail_from, answer.rcpt_tos) == ("", (anna,))
    assert (read(answer)["From"], read(answer)["Subject"]) == (box, "Re: Question")
    assert read(answer)["In-Reply-To"] == read(answer)["References"] == "<1@x>"
    assert read(answer)["Auto-Submitted"] == "auto-replied"
    assert "Back on Monday: Question" in read(answer).get_content()
    await write(account, bert, "Hello", "5@x")
    assert len(await account.sink.wait_for(2)) == 2
    assert {to for one in account.sink.received for to in one.rcpt_tos} == {anna, bert}
    traces = [
        (await account.api.get(f"/messages/{row['id']}/trace"))["decision"]["trace"][0]["done"][0]
        for row in await account.api.messages(5)
    ]
    assert sum(one.startswith("not answered: sent by a program") for one in traces) == 2


@browser.NEEDED
async def test_answers_find_their_ticket(account: Account) -> None:
    anna, bert = people(account)
    api = account.api
    await office(account, {"kind": "open_ticket", "queue": "billing", "acknowledge": True})
    await write(account, anna, "Wrong invoice", "1@x")
    (told,) = await account.sink.wait_for(1)
    assert "its number is 1" in read(told).get_content()
    mark = read(told)["Subject"].partition(" ")[0]
    await write(account, anna, f"Re: {mark} Wrong invoice", "2@x")
    await write(account, bert, "Re: Wrong invoice", "3@x", In_Reply_To="<2@x>")
    await write(account, bert, "[#1-aaaaaaaa] Guessed", "4@x")
    await account.api.messages(4)

    async def filed() -> dict[str, Any]:
        found = (await api.get("/tickets"))["data"]
        assert {one["number"]: one["mails"] for one in found} == {1: 3, 2: 1}
        return next(one for one in found if one["number"] == 1)

    ticket = await eventually(filed, what="answers are with their ticket")
    assert (ticket["queue"], ticket["requester"], ticket["state"]) == ("billing", anna, "open")
    async with browser.chromium() as chrome:
        page = await chrome.new_page(viewport=DESK)
        page.set_default_timeout(20_000)
        await browser.sign_in(page, account.system, "/tickets", account)
        await take(page, "tickets")
        await page.get_by_role("link", name="Wrong invoice").click()
        await expect(page.get_by_text(mark, exact=True)).to_be_visible()
        await take(page, "ticket")
        await page.get_by_role("button", name="Close").click()
        await expect(page.get_by_role("button", name="Open again")).to_be_visible()
    assert [one["number"] for one in (await api.get("/tickets?state=closed"))["data"]] == [1]
    await write(account, anna, f"{mark} Still wrong", "5@x")

    async def reopened() -> bool:
        return (await api.get(f"/tickets/{ticket['id']}"))["ticket"]["state"] == "open"

    await eventually(reopened, what="a further mail opens it again")
    detail = await api.get(f"/tickets/{ticket['id']}")
    assert [one["what"] for one in detail["mails"]] == ["opened", "mail", "mail", "reopened"]
    again = await api.client.patch(f"/api/v1/tickets/{ticket['id']}", json={"state": "open"})
    assert again.status_code == 409


class Hooked:
    """A program that is called: answers with what stands in `statuses`, then 204."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.calls: list[tuple[dict[str, str], bytes]] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
        plain = {
            name: line.partition(": ")[2]
            for line in head[1:]
            if (name := line.partition(": ")[0].lower())
        }
        body = await reader.readexactly(int(fields["content-length"]))
        self.calls.append((plain, body))
        status = self.statuses.pop(0) if self.statuses else 204
        writer.write(
            f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )
        await writer.drain()
        writer.close()


@asynccontextmanager
async def hooked() -> AsyncIterator[Hooked]:
    made = Hooked()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    async with server:
        yield made


@browser.NEEDED
async def test_a_program_is_told_and_told_again(account: Account) -> None:
    anna, _ = people(account)
    api = account.api
    async with hooked() as program:
        program.statuses = [500]
        made = await api.post(
            "/webhooks", name="Desk", url=f"http://localhost:{program.port}/in?x=1"
        )
        hook, secret = made["webhook"], made["secret"]
        assert "secret" not in (await api.get(f"/webhooks/{hook['id']}"))
        await office(
            account,
            {"kind": "call_webhook", "webhook": hook["id"]},
            {"kind": "publish_event", "name": "order: {subject}"},
        )
        await write(account, anna, "Order 17", "1@x")
        row = (await api.messages(1))[0]
        await eventually(lambda: len(program.calls) >= 2, 60, what="it is tried again after 500")
        headers, body = program.calls[1]
        assert program.calls[0][1] == body
        told = json.loads(body)
        assert told["type"] == "mail.matched"
        assert (told["data"]["message"], told["data"]["subject"]) == (row["id"], "Order 17")
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        key = base64.b64decode(secret.removeprefix("whsec_"))
        wanted = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        assert headers["webhook-signature"] == f"v1,{wanted}"

        async def delivered() -> dict[str, Any]:
            (call,) = (await api.get(f"/webhooks/{hook['id']}/calls"))["data"]
            assert call["state"] == "delivered"
            return call

        call = await eventually(delivered, what="the call is noted as delivered")
        assert (call["attempts"], call["reply"]) == (2, "204")
        async with browser.chromium() as chrome:
            page = await chrome.new_page(viewport=DESK)
            page.set_default_timeout(20_000)
            await browser.sign_in(page, account.system, "/webhooks", account)
            await take(page, "webhooks")
            await page.get_by_role("link", name="Desk").click()
            await expect(page.get_by_role("button", name="Call again")).to_be_visible()
            await take(page, "webhook")
            await page.get_by_role("button", name="Call again").click()
            await eventually(lambda: len(program.calls) == 3, what="it is called again")
        # What is gone is called no more.
        program.statuses = [410]
        await write(account, anna, "Order 18", "2@x")

        async def off() -> bool:
            return not (await api.get(f"/webhooks/{hook['id']}"))["active"]

        await eventually(off, what="a webhook that answers 410 is switched off")
    wrong = await api.client.post(
        "/api/v1/webhooks", json={"name": "x", "url": "ftp://example.org/"}
    )
    assert wrong.status_code == 422
