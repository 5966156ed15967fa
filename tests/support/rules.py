"""Rules, mails and facts for the tests of rules."""

from datetime import UTC, datetime

from postroom_contract.documents import RuleDocument
from postroom_contract.events import MailSorted
from postroom_contract.mail import Envelope, MailSummary, Pointer
from postroom_contract.rules import Condition, ConditionTrace, Decision, Group, Test
from postroom_mail.read import read
from postroom_rules.domain import conditions
from postroom_rules.domain.facts import Facts, facts_of
from postroom_rules.domain.values import Values

RAW = (
    b"From: =?utf-8?q?Anna_M=C3=BCller?= <Anna@Example.NET>\r\n"
    b"To: Garden <garden@example.org>, other@example.com\r\n"
    b"Subject: Invoice 17 for May\r\n"
    b"X-Kind: bill\r\nX-Kind: urgent\r\n"
    b"Message-ID: <m1@example.net>\r\n\r\nHello\r\n"
)


def envelope(**changes) -> Envelope:
    values = {
        "id": "msg_1",
        "account": "acc_1",
        "mailbox": "mbx_1",
        "role": "mail",
        "recipient": "garden@example.org",
        "sender": "anna@example.net",
        "received_at": datetime(2026, 1, 1, tzinfo=UTC),
        "sha256": "0",
        "size": 1,
        "source": "smtp",
        "transaction": "txn_1",
    }
    return Envelope(**{**values, **changes})


def facts(raw: bytes = RAW, *, own_marker: bool = False, **changes) -> Facts:
    return facts_of(read(raw), envelope(**changes), own_marker=own_marker)


def evaluate(condition: Condition, found: Facts) -> tuple[bool, tuple[ConditionTrace, ...]]:
    return conditions.evaluate(condition, Values(found))


def check(field: str, operator: str, *values: str, **more) -> Test:
    return Test(field=field, operator=operator, values=values, **more)


def rule(name: str, when: Condition, *then, version: int = 1, shadow: bool = False) -> RuleDocument:
    return RuleDocument(
        id=f"rul_{name}",
        account="acc_1",
        scope="mbx_1",
        name=name,
        active=True,
        when=when,
        then=then,
        version=version,
        shadow=shadow,
    )


ALWAYS = Group(mode="all", of=())
NEVER = Group(mode="any", of=())


def event_for(role: str, token: str | None, decision: Decision) -> MailSorted:
    when = datetime(2026, 1, 1, tzinfo=UTC)
    return MailSorted(
        id="evt_1", time=when, account="acc_1", scope="mbx_1", about="msg_1", source="rules",
        correlation="msg_1", causation="msg_1", mailbox="mbx_1", role=role, forum="frm_1",
        token=token, recipient="garden@example.org", envelope_sender="anna@example.net",
        received_at=when, client="", helo="", size=1, raw=Pointer("INTAKE_0", 1), decision=decision,
        summary=MailSummary(
            message_id=None, subject="", sender=None, to=(), date=None, preview="",
            attachments=(), robot_signs=(), defects=(),
        ),
    )  # fmt: skip
