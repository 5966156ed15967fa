"""A mail that came in, was checked and is sent on by a rule leaves with our seal (ARC)."""

import dkim
from nacl.public import PrivateKey

from postroom_contract import subjects
from postroom_contract.codec import encode
from postroom_contract.commands import ForwardMail, MailReference, subject_of
from postroom_contract.documents import DkimKey, DomainDocument, domain_key
from postroom_contract.mail import Pointer
from postroom_runtime.messages import Publication
from postroom_runtime.sealing import seal
from postroom_smtp.dkimpy_signatures import check_arc
from postroom_smtp.domain_keys import _bound
from postroom_smtp.signing import make_key
from support.buses import connected
from support.names import NameServer
from support.smtp_process import configure, stored

MAIL = (
    b"From: <x@theirs.example>\r\nTo: <a@ours.example>\r\nSubject: Roses\r\n"
    b"Date: Mon, 23 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@theirs.example>\r\n\r\nhello\r\n"
)


async def test_what_came_by_smtp_and_goes_on_is_sealed(smtp, nats_server, sink) -> None:
    await configure(nats_server)
    private, made = PrivateKey.generate(), make_key("rsa")
    sealed = seal(private.public_key, _bound(made.private, "ours.example", "s1"))
    domain = DomainDocument(
        domain="ours.example", account="acc_one", version=2,
        keys=(DkimKey(selector="s1", sealed=sealed),),
    )  # fmt: skip
    names = NameServer('theirs.example. 60 TXT "v=spf1 ip4:127.0.0.1 -all"')
    async with connected(nats_server, "api") as bus, names.listening() as (host, port):
        where = subjects.config(domain_key("ours.example"))
        await bus.publish(Publication(where, encode(domain), None))
        smtp.start(
            RELAY=sink.relay, SMTP_TRUSTED="none", SMTP_NAMESERVERS=f"{host}:{port}",
            SMTP_KEY=bytes(private).hex(),
        )  # fmt: skip
        await smtp.ready()
        async with smtp.client() as one:
            await one.say(b"EHLO theirs.example")
            assert (await one.mail([b"a@ours.example"], MAIL)).startswith("250")
        ((envelope, found),) = await stored(nats_server)
        mail = MailReference(
            id=envelope.id, mailbox=envelope.mailbox, envelope_sender="x@theirs.example",
            raw=Pointer(found.stream, found.sequence),
        )  # fmt: skip
        command = ForwardMail(
            id="cmd_1", account="acc_one", correlation=envelope.id, causation="evt_1", mail=mail,
            message_id="1@theirs.example", subject="Roses", to="boss@elsewhere.example",
        )  # fmt: skip
        async with connected(nats_server, "rules") as rules:
            await rules.publish(Publication(subject_of(command), encode(command), command.id))
        (received,) = await sink.wait_for(1)
    records = {"s1._domainkey.ours.example": made.record.encode()}
    verdict, _, _ = dkim.arc_verify(
        received.raw, dnsfunc=lambda name, **_: records.get(name.decode().rstrip("."), b"")
    )
    assert (verdict, check_arc(received.raw, records)) == (dkim.CV_Pass, "pass")
    assert b"ARC-Authentication-Results: i=1; mx.ours.example;\r\n\tspf=pass" in received.raw
    assert received.raw.endswith(MAIL)
