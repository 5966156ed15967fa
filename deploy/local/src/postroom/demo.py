"""`postroom demo`: a forum with a discussion, a support mailbox with rules, one fetched by IMAP.

Every address is under example.* (RFC 2606), so nothing can reach anybody.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

from postroom import demo_mailbox
from postroom.client import Client

GARDEN: Final = "garden@example.org"
SUPPORT: Final = "support@example.org"
PEOPLE: Final = {
    "anna": "Anna Berg <anna@example.net>",
    "ben": "Ben Cole <ben@example.com>",
    "cara": "Cara Dietz <cara@example.net>",
    "dev": "Dev Iyer <dev@example.com>",
    "shop": "Tool Shop <orders@shop.example>",
    "bot": "Monitoring <monitor@example.com>",
}
WAIT_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Line:
    """One mail of the demo; `parent` is the number of the mail it answers, from 1."""

    who: str
    subject: str
    text: str
    parent: int = 0
    to: str = GARDEN
    header: tuple[str, str] | None = None


LINES: Final = (
    Line("anna", "When do the tomatoes go out?", "The forecast says 4 °C for Thursday night."),
    Line("ben", "Re: When do the tomatoes go out?", "Not before the ice saints.", 1),
    Line("cara", "Re: When do the tomatoes go out?", "I have fleece for twenty plants.", 1),
    Line("anna", "Re: When do the tomatoes go out?", "Then I wait. Thank you both!", 2),
    Line("dev", "Re: When do the tomatoes go out?", "Can I borrow some of the fleece, Cara?", 3),
    Line("cara", "Re: When do the tomatoes go out?", "Of course, it hangs in the shed.", 5),
    Line("ben", "Key to the shed", "Who has the second key? Mine does not turn."),
    Line("dev", "Re: Key to the shed", "I have it. The lock wants a drop of oil.", 7),
    Line("anna", "Re: Key to the shed", "Oil is in the blue box.", 8),
    Line("cara", "Seed swap on Saturday", "Ten o'clock, by the shed. Bring envelopes."),
    Line("dev", "Re: Seed swap on Saturday", "I bring chillies: Lemon Drop and Aji Amarillo.", 10),
    Line("ben", "Re: Seed swap on Saturday", "And I the scales.", 10),
    Line("anna", "Compost is hot", "68 °C in the middle. Turn it before Friday, please."),
    Line("cara", "Re: Compost is hot", "Done, smells fine.", 13),
    Line("ben", "Out of office", "I am away.", 0, GARDEN, ("Auto-Submitted", "auto-replied")),
    Line("shop", "Invoice 1017", "For two spades. Due in 14 days.", 0, SUPPORT),
    Line("shop", "Invoice 1018", "For one hose. Due in 14 days.", 0, SUPPORT),
    Line("dev", "Cannot sign in", "The page says that the link has expired.", 0, SUPPORT),
    Line("cara", "URGENT: water is running", "The tap by the gate is broken!", 0, SUPPORT),
    Line("anna", "Opening hours", "Is the office open on Monday?", 0, SUPPORT),
    Line("bot", "Disk at 91 %", "gate: /var", 0, SUPPORT, ("Auto-Submitted", "auto-generated")),
    Line("shop", "You have WON a gift card", "Click now! Limited offer!", 0, SUPPORT),
    Line("ben", "Re: Opening hours", "Thank you, see you then.", 0, SUPPORT),
    Line("anna", "Photos of the fence", "They are on the notice board.", 0, SUPPORT),
)  # fmt: skip


def run(client: Client) -> str:
    """Make everything; a second run adds nothing but says so. Return where to look."""
    taken = {forum["address"] for forum in client.get("/forums")["data"]}
    if GARDEN in taken:
        return "the demo is there already"
    forum = client.post("/forums", name="Garden club", address=GARDEN)
    for who in ("anna", "ben", "cara", "dev"):
        name, _, address = PEOPLE[who].rstrip(">").partition(" <")
        client.post(f"/forums/{forum['id']}/members", email=address, name=name)
    support = client.post(
        "/mailboxes", name="Support", source={"type": "smtp", "addresses": [SUPPORT]}
    )
    _rules(client, support["id"])
    began = datetime.now(tz=UTC) - timedelta(hours=len(LINES))
    for number, line in enumerate(LINES, 1):
        _send(client, number, line, began + timedelta(hours=number))
    fetched = demo_mailbox.make(client)
    _wait(client)
    return f"{len(LINES)} mails, one forum, one mailbox with rules; {fetched}"


def _rules(client: Client, mailbox: str) -> None:
    def rule(name: str, operator: str, values: list[str], *actions: dict[str, object]) -> None:
        test = {"kind": "test", "field": "subject", "operator": operator, "values": values}
        client.post("/rules", mailbox=mailbox, name=name, condition=test, actions=list(actions))

    rule("Urgent", "starts", ["urgent"], {"kind": "set_importance", "level": "high"})
    rule("Invoices", "regex", [r"^invoice \d+"], {"kind": "add_tag", "tag": "invoice"})
    rule(
        "Gift cards",
        "contains",
        ["gift card", "won"],
        {"kind": "set_spam_rating", "rating": 95},
        {"kind": "mark_spam", "spam": True},
    )


def _send(client: Client, number: int, line: Line, when: datetime) -> None:
    mail = EmailMessage(policy=SMTP)
    mail["From"] = PEOPLE[line.who]
    mail["To"] = line.to
    mail["Subject"] = line.subject
    mail["Date"] = format_datetime(when)
    mail["Message-ID"] = f"<demo-{number}@example.net>"
    if line.parent:
        mail["In-Reply-To"] = f"<demo-{line.parent}@example.net>"
        mail["References"] = f"<demo-{line.parent}@example.net>"
    if line.header:
        mail[line.header[0]] = line.header[1]
    mail.set_content(line.text + "\n")
    sender = PEOPLE[line.who].rpartition("<")[2].rstrip(">")
    client.send(sender, [line.to], mail.as_bytes())


def _wait(client: Client) -> None:
    """Return when the log has every mail, or after WAIT_SECONDS: it comes by itself."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if len(client.get("/messages", limit=200)["data"]) >= len(LINES):
            return
        time.sleep(0.2)
