"""Mail comes back: the address gets no more, the post says so, and a release lets it on again."""

import asyncio
from typing import Any

from playwright.async_api import Page, expect

from support import browser
from support.client import Api, send
from support.pictures import DESK, take
from support.sharing import Account
from support.sink import Received, Sink
from support.system import System
from support.waiting import eventually

GARDEN = "garden@example.org"
BEN, CORA = "ben@example.com", "cora@example.net"


def undelivered(copy: Received, status: str, words: str) -> bytes:
    """What Postfix writes when a server behind it does not want a mail any more."""
    (recipient,) = copy.rcpt_tos
    head = copy.raw.partition(b"\r\n\r\n")[0].decode("utf-8", "replace").replace("\r\n", "\n")
    return f"""Date: Mon, 23 Nov 2026 12:00:00 +0000
From: MAILER-DAEMON@mx.example.com (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: {copy.mail_from}
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="4Z1x.1764000000/mx.example.com"
Message-Id: <20261123120000.{status}@mx.example.com>

This is a MIME-encapsulated message.

--4Z1x.1764000000/mx.example.com
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

<{recipient}>: host mail.example.com[192.0.2.1] said: {words}

--4Z1x.1764000000/mx.example.com
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.com
X-Postfix-Queue-ID: 4Z1x
Arrival-Date: Mon, 23 Nov 2026 11:59:58 +0000

Final-Recipient: rfc822; {recipient}
Original-Recipient: rfc822;{recipient}
Action: failed
Status: {status}
Remote-MTA: dns; mail.example.com
Diagnostic-Code: smtp; {words}

--4Z1x.1764000000/mx.example.com
Content-Description: Undelivered Message Headers
Content-Type: text/rfc822-headers

Return-Path: <{copy.mail_from}>
{head}

--4Z1x.1764000000/mx.example.com--
""".replace("\n", "\r\n").encode()


def spam(copy: Received) -> bytes:
    """What a provider sends when somebody presses its button (RFC 5965)."""
    return (
        b"From: feedback@isp.example\r\nTo: garden@example.org\r\nSubject: Email Feedback Report\r\n"
        b"Message-ID: <arf1@isp.example>\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/report; report-type=feedback-report; boundary="arf"\r\n\r\n'
        b"--arf\r\nContent-Type: text/plain\r\n\r\nThis is an abuse report.\r\n"
        b"--arf\r\nContent-Type: message/feedback-report\r\n\r\n"
        b"Feedback-Type: abuse\r\nUser-Agent: Isp/1.0\r\nVersion: 1\r\n\r\n"
        b"--arf\r\nContent-Type: message/rfc822\r\n\r\n" + copy.raw + b"\r\n--arf--\r\n"
    )


async def write(api: Api, forum: str, subject: str) -> dict[str, int]:
    """Write a post; how many of its copies are in which state, once all have ended."""
    topic = (await api.post(f"/forums/{forum}/topics", subject=subject, text="Hello."))["topic"]

    async def ended() -> Any:
        counts = (await api.posts(topic, 1))[0]["deliveries"]
        return None if counts["pending"] or counts["deferred"] else counts

    counts: dict[str, int] = await eventually(ended, 30, what=f"all copies of {subject}")
    return {state: number for state, number in counts.items() if number}


async def suppressed(api: Api, address: str) -> Any:
    async def listed() -> Any:
        return (await api.get(f"/suppressions?search={address}"))["data"]

    (one,) = await eventually(listed, 30, what=f"{address} is suppressed")
    return one


async def comes_to(api: Api, forum: str, subject: str, wanted: dict[str, int]) -> str:
    """Write until smtp has heard of what changed; the subject that shows it."""
    tries: list[str] = []

    async def written() -> bool:
        tries.append(f"{subject} {len(tries)}")
        return await write(api, forum, tries[-1]) == wanted

    await eventually(written, 30, what=f"{subject}: {wanted}")
    return tries[-1]


def about(sink: Sink, address: str, subject: str) -> list[Received]:
    return [one for one in sink.to(address) if subject.encode() in one.raw]


@browser.NEEDED
async def test_an_address_that_mail_comes_back_from_gets_no_more_until_a_page_releases_it(
    running: System, api: Api, sink: Sink
) -> None:
    forum = await api.forum("Garden club", GARDEN, BEN, CORA)
    assert await write(api, forum, "Beans") == {"delivered": 2}
    (copy,) = sink.to(BEN)
    words = "550 5.1.1 <ben@example.com>: no such user"
    # A program answers for Ben first: that is no bounce.
    away = f"From: {BEN}\r\nAuto-Submitted: auto-replied\r\nSubject: Away\r\n\r\nI am away.\r\n"
    await asyncio.to_thread(send, running, away.encode(), "", copy.mail_from)
    await asyncio.to_thread(send, running, undelivered(copy, "5.1.1", words), "", copy.mail_from)

    one = await suppressed(api, BEN)
    assert (one["reason"], one["status"], one["words"], one["count"]) == (
        "hard_bounce", "5.1.1", words, 1,
    )  # fmt: skip
    (topic,) = await api.topics(forum, 1)
    (post,) = await api.posts(topic["id"], 1)
    assert (post["deliveries"]["delivered"], post["deliveries"]["bounced"]) == (1, 1)

    subject = await comes_to(api, forum, "Peas", {"delivered": 1, "suppressed": 1})
    assert about(sink, BEN, subject) == []
    assert len(about(sink, CORA, subject)) == 1
    rows = (await api.get("/deliveries?limit=200"))["data"]
    bens = {row["subject"]: row for row in rows if row["recipient"] == BEN}
    assert bens["Beans"]["state"] == "bounced"
    assert bens["Beans"]["status"] == "5.1.1"
    assert bens[subject]["state"] == "suppressed"

    # Cora calls it spam; her provider writes to the forum.
    (copy,) = about(sink, CORA, "Beans")
    await asyncio.to_thread(send, running, spam(copy), "feedback@isp.example", GARDEN)
    assert (await suppressed(api, CORA))["reason"] == "complaint"
    await api.topics(forum, int(subject.split()[1]) + 2)  # the complaint is none

    async with browser.chromium() as chrome:
        page = await (await chrome.new_context(viewport=DESK)).new_page()
        page.set_default_timeout(20_000)
        await release_ben(page, running, f"{topic['id']}")
    subject = await comes_to(api, forum, "Leeks", {"delivered": 1, "suppressed": 1})
    assert len(about(sink, BEN, subject)) == 1
    assert about(sink, CORA, subject) == []


async def release_ben(page: Page, system: System, topic: str) -> None:
    await page.goto(f"{system.base_url}/sign-in")
    await page.get_by_label("E-mail address").fill(system.admin_email)
    await page.get_by_label("Password").fill(system.admin_password)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("link", name="Outbox").click()
    await page.get_by_role("link", name="Suppressed", exact=True).click()
    await expect(page.get_by_role("row", name=CORA)).to_contain_text("called spam")
    await page.get_by_label("E-mail address").fill(CORA)
    await page.get_by_role("button", name="Suppress", exact=True).click()
    await expect(page.get_by_role("alert")).to_have_text("This address is suppressed already.")
    await page.get_by_label("E-mail address").fill("dora@example.net")
    await page.get_by_label("Why").fill("She wrote that she wants none.")
    await page.get_by_role("button", name="Suppress", exact=True).click()
    await expect(page.get_by_role("row", name="dora@example.net")).to_contain_text("by hand")
    await take(page, "suppressions")
    await page.get_by_label("Address", exact=True).fill("BEN@")
    await page.get_by_role("button", name="Search").click()
    await expect(page.get_by_role("row", name=BEN)).to_contain_text("no such user")
    await expect(page.get_by_text(CORA)).to_have_count(0)
    await page.get_by_role("button", name=f"Release {BEN}").click()
    await expect(page.get_by_role("status")).to_have_text(f"{BEN} gets mail again.")
    await take(page, "suppressions-released")
    await page.goto(f"{system.base_url}/topics/{topic}")
    await expect(page.get_by_text("1 bounced")).to_be_visible()
    await take(page, "topic-bounced")
    await page.goto(f"{system.base_url}/outbox")
    await expect(page.get_by_text("suppressed", exact=True).first).to_be_visible()
    await take(page, "outbox-suppressed")


async def test_the_api_of_the_list(account: Account) -> None:
    api = account.api
    made = await api.client.post(
        "/api/v1/suppressions", json={"address": "Ben@Example.com", "words": "he asked"},
        headers={"Idempotency-Key": "one"},
    )  # fmt: skip
    assert made.status_code == 201
    again = await api.client.post(
        "/api/v1/suppressions", json={"address": "Ben@Example.com", "words": "he asked"},
        headers={"Idempotency-Key": "one"},
    )  # fmt: skip
    assert (again.status_code, again.json()) == (201, made.json())
    twice = await api.client.post("/api/v1/suppressions", json={"address": BEN})
    assert (twice.status_code, twice.json()["code"]) == (409, "conflict")
    wrong = await api.client.post("/api/v1/suppressions", json={"address": "nobody"})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/address")

    where = f"/api/v1/suppressions/{made.json()['id']}"
    read = await api.client.get(where)
    assert read.json()["address"] == BEN
    stale = await api.client.delete(where, headers={"If-Match": '"0"'})
    assert stale.status_code == 412
    gone = await api.client.delete(where, headers={"If-Match": read.headers["ETag"]})
    assert gone.status_code == 204
    assert (await api.client.delete(where)).status_code == 404
    actions = [one["action"] for one in await api.all("/audit")]
    assert actions.count("suppression.added") == actions.count("suppression.released") == 1
