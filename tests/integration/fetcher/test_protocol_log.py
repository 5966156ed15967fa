"""The protocol log of real servers: enough to see what is wrong, and no secret in it."""

import pytest

from postroom_contract import subjects
from postroom_contract.conversations import Conversation, Conversations, ReadConversations
from support.dovecot import PASSWORD, Dovecot
from support.fetching import ACCOUNT, Office, letter, mailbox
from support.stack import Stack
from support.waiting import eventually

pytestmark = pytest.mark.peer


async def read(office: Office) -> tuple[Conversation, ...]:
    question = ReadConversations(account=ACCOUNT, mailbox="mbx_a")
    where = subjects.rpc("fetcher", "conversations")
    return (await office.bus.request(where, question, Conversations, 10)).conversations


@pytest.mark.parametrize(("protocol", "tls"), [("imap", "starttls"), ("pop3", "implicit")])
async def test_the_last_good_and_the_last_failed_conversation_are_kept(
    protocol: str, tls: str, dovecot: Dovecot, stack: Stack, office: Office
) -> None:
    dovecot.put(letter(1))
    port = getattr(dovecot, protocol + ("s" if tls == "implicit" else ""))
    more = {"tls": tls, "ca": dovecot.ca if tls != "none" else ""}
    await office.publish(mailbox("mbx_a", protocol, port, **more))
    await stack.start("fetcher")
    assert await read(office) == ()
    assert (await office.receive("mbx_a")).stored == 1
    (good,) = await read(office)
    text = "\n".join(good.lines)
    assert good.error == ""
    assert ("C: UID FETCH" if protocol == "imap" else "C: RETR 1") in text
    assert "C: LOGIN …" in text or "C: PASS …" in text
    if tls != "none":
        assert "certificate of localhost" in text
    assert PASSWORD not in text
    assert "Subject" not in text
    wrong = "canary wrong password"
    await office.publish(mailbox("mbx_a", protocol, port, version=2, password=wrong, **more))
    assert (await office.receive("mbx_a")).state == "auth_failed"
    failed, before = await read(office)
    assert before.error == ""
    assert "refuses login or password" in failed.error
    assert wrong not in "\n".join(failed.lines)
    # It goes with its mailbox.
    await office.forget("mbx_a", version=3)

    async def gone() -> bool:
        return await read(office) == ()

    await eventually(gone, what="the log is forgotten")
