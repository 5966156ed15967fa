"""Of a mailbox whose text is not indexed, no word of a mail's text stands in the recorded decision."""

from datetime import UTC, datetime

import pytest

from postroom_contract.codec import ENVELOPE_HEADER, encode, envelope_to_header
from postroom_contract.documents import MailboxDocument, mailbox_key
from postroom_contract.rules import AddTag, AutoReply, Group, Rating, Reason
from postroom_contract.textless import TEXT_FIELDS, WITHHELD, without_text
from postroom_mail.read import read
from postroom_mail.tokens import parse_keys
from postroom_rules.domain.conditions import sentence
from postroom_rules.domain.plan import Plan, Ruleset
from postroom_rules.domain.spam_tokens import NO_TOKENS, MailAndTokens
from postroom_rules.handlers import SortMail
from postroom_rules.ratings import SpamDocuments
from postroom_rules.rulesets import ConfiguredRulesets, needed
from postroom_runtime.clock import Clock
from postroom_runtime.consume import Delivered
from support.rules import check, envelope, rule

TEXT = "The cucumbers are hidden, order 4711."
RAW = (
    b"From: Anna <anna@example.net>\r\nTo: garden@example.org\r\nSubject: Invoice 17\r\n"
    b"Message-ID: <m1@example.net>\r\n\r\n" + TEXT.encode() + b"\r\n"
)
RATING = Rating(
    score=90,
    reasons=(
        Reason(source="filter", words="cucumbers", weight=4.0),
        Reason(source="filter", words="cucumbers hidden", weight=3.0),
        Reason(source="filter", words="link: cucumbers.example", weight=2.0),
        Reason(source="filter", words="subject: invoice", weight=1.0),
        Reason(source="list", words="blocked: anna@example.net", weight=1.0),
    ),
)
RULES = (
    rule(
        "text",
        Group(
            mode="all",
            of=(
                check("body", "contains", "hidden"),
                check("message", "contains", "order"),
                check("subject", "contains", "invoice"),
                check("body", "regex", r"(order) (\d+)"),
            ),
        ),
        AddTag("order {2}"),
        AutoReply("You wrote of {1} {2}."),
    ),
    rule("subject", check("subject", "regex", r"(\d+)"), AddTag("invoice {1}")),
)


class Box:
    """In place of configuration, broker, filters and forums."""

    def __init__(self, *, indexed: bool) -> None:
        self.indexed = indexed
        self.recorded_ = []

    def of(self, account, mailbox) -> Plan:
        return Plan(Ruleset(1, RULES))

    def charset(self, mailbox) -> str:
        return ""

    def indexes_text(self, mailbox) -> bool:
        return self.indexed

    async def wants_tokens(self, account) -> bool:
        return False

    async def rate(self, mail, about, raw) -> Rating:
        return RATING

    async def recorded(self, account, mailbox, mail) -> None:
        return None

    async def record(self, event):
        self.recorded_.append(event)
        return event

    async def issue(self, command) -> None:
        self.recorded_.append(command)

    async def tell(self, event) -> None:
        self.recorded_.append(event)


async def sort(box: Box):
    async def reading(raw, charset, *, tokens) -> MailAndTokens:
        return MailAndTokens(read(raw), NO_TOKENS)

    handler = SortMail(box, box, reading, parse_keys("1:" + "00" * 32), Clock(), box, box)
    header = {ENVELOPE_HEADER: envelope_to_header(envelope())}
    when = datetime(2026, 1, 1, tzinfo=UTC)
    await handler.on_mail(Delivered("x", RAW, header, "INTAKE_0", 1, 1, when))
    return box.recorded_[0]


async def test_nothing_of_the_text_is_recorded_or_told() -> None:
    box = Box(indexed=False)
    event = await sort(box)
    said = b"".join(encode(one) for one in box.recorded_)
    for word in (b"cucumbers", b"4711", b"are hidden"):
        assert word not in said, word
    assert event.summary.preview == ""
    assert (event.summary.subject, event.summary.sender.address) == (
        "Invoice 17", "anna@example.net",
    )  # fmt: skip
    values = {one.condition: one.value for one in event.decision.trace[0].conditions}
    assert list(values.values()) == [WITHHELD, WITHHELD, "Invoice 17", WITHHELD]
    assert all(one.matched for one in event.decision.trace), "rules still look at the text"
    assert event.decision.tags == ("order", "invoice 17")
    assert [one.words for one in event.decision.rating.reasons] == [
        WITHHELD, WITHHELD, WITHHELD, "subject: invoice", "blocked: anna@example.net",
    ]  # fmt: skip
    assert without_text(event) == event


async def test_without_the_setting_it_is_as_ever() -> None:
    event = await sort(Box(indexed=True))
    assert event.summary.preview == TEXT
    assert event.decision.tags == ("order 4711", "invoice 17")
    assert TEXT in event.decision.trace[0].conditions[0].value
    assert event.decision.rating == RATING
    # What was recorded with its text is emptied to the same, but for what rules took from it.
    emptied = without_text(event)
    assert b"cucumbers" not in encode(emptied)
    assert emptied.decision.tags == ("order 4711", "invoice 17")


@pytest.mark.parametrize("field", TEXT_FIELDS)
def test_a_trace_tells_that_it_is_of_the_text(field) -> None:
    assert sentence(check(field, "contains", "x", negate=True)).split()[0] == field


def test_rules_keep_the_document_of_such_a_mailbox() -> None:
    def document(**changes) -> MailboxDocument:
        return MailboxDocument(
            id="mbx_1", account="acc_1", name="Box", kind="system", source="smtp", active=True,
            version=1, **changes,
        )  # fmt: skip

    key, found = mailbox_key("mbx_1"), {}
    assert not needed(key, encode(document()))
    off = document(index_text=False)
    assert needed(key, encode(off))

    class Documents:
        def on_change(self, tell) -> None:
            pass

        def get(self, at, of):
            return found.get(at)

    configured = ConfiguredRulesets(Documents(), SpamDocuments(Documents()))
    assert configured.indexes_text("mbx_1")
    found[key] = off
    assert not configured.indexes_text("mbx_1")
