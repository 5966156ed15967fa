"""Nobody whose address was forged hears of the mail, whatever the rules do to it."""

import asyncio
import smtplib
from typing import Any

from support.sharing import Account
from support.waiting import eventually

SENDERS = 100
OUTCOMES: dict[str, list[dict[str, Any]]] = {
    "deleted": [{"kind": "delete"}],
    "spam": [{"kind": "mark_spam", "spam": True}],
    "forwarded": [],
    "posted": [],
    "rejected": [{"kind": "reject", "text": "not wanted"}],
    "stopped": [{"kind": "stop"}],
    "kept": [],
}


def forge(account: Account, box: str, garden: str) -> tuple[int, set[tuple[str, int]]]:
    """One mail each from people who never wrote it; how many were taken, and what was refused."""
    taken, refused = 0, set()
    with smtplib.SMTP("127.0.0.1", account.system.smtp_port, timeout=20) as client:
        client.ehlo("forger.example")
        for number in range(SENDERS):
            outcome = list(OUTCOMES)[number % len(OUTCOMES)]
            to = [garden if outcome == "posted" else box]
            mail = (
                f"Message-ID: <{number}@{account.domain}>\r\nFrom: victim{number}@innocent.example\r\n"
                f"Subject: {outcome} {number}\r\n\r\nhi\r\n"
            )
            try:
                client.sendmail(f"victim{number}@innocent.example", to, mail)
                taken += 1
            except smtplib.SMTPDataError as error:
                refused.add((outcome, error.smtp_code))
    return taken, refused


async def test_a_hundred_forged_senders_hear_nothing(account: Account) -> None:
    api, box, garden, boss = (
        account.api,
        account.at("box"),
        account.at("garden"),
        account.person("boss"),
    )
    await api.forum("Garden", garden, account.person("ben"))
    made = await api.post("/mailboxes", name="Box", source={"type": "smtp", "addresses": [box]})
    for name, actions in OUTCOMES.items():
        wanted = [{"kind": "forward", "to": boss}] if name == "forwarded" else actions
        if wanted:
            test = {"kind": "test", "field": "subject", "operator": "starts", "values": [name]}
            await api.post("/rules", name=name, mailbox=made["id"], condition=test, actions=wanted)
    taken, refused = await asyncio.to_thread(forge, account, box, garden)
    assert refused == {("rejected", 550)}

    async def sorted_() -> bool:
        kept = await api.all("/messages")
        gone = (await api.get("/messages?deleted=true&limit=200"))["data"]
        return len(kept) + len(gone) == taken

    await eventually(sorted_, 60, what="every mail is sorted")
    share = SENDERS // len(OUTCOMES)
    await eventually(
        lambda: len(account.sink.to(boss)) >= share, 60, what="what is forwarded is out"
    )
    await eventually(
        lambda: len(account.sink.to(account.person("ben"))) >= share, 60, what="posts are out"
    )
    heard = {to for one in account.sink.sink.received for to in one.rcpt_tos}
    assert not [one for one in heard if one.endswith("@innocent.example")]
