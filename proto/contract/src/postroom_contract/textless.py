"""A recorded decision without what the mail's text said, for mailboxes whose text is not indexed.

Laws: subject, addresses and the names of files stay; of text there is no preview, no value that a
condition was compared with, and no word that weighed in the rating. What a rule took out of the
text for a tag or an answer cannot be told from its own words here: rules takes nothing there.
"""

from typing import Final

import msgspec

from postroom_contract.events import MailSorted
from postroom_contract.rules import ConditionTrace, Decision, Field, Rating, Reason

TEXT_FIELDS: Final[tuple[Field, ...]] = ("body", "message")
"""Fields of conditions that are the mail's text, or hold it; so begins a trace's sentence."""
WITHHELD: Final = "(a part of the text)"
_OF_TEXT: Final = ("link: ", "links: ", "html: ")
"""How a filter's words begin that come from within the mail; those of its text have no colon."""


def without_text(event: MailSorted) -> MailSorted:
    """Return the event as it is kept where the text is not; again is as once."""
    return msgspec.structs.replace(
        event,
        summary=msgspec.structs.replace(event.summary, preview=""),
        decision=_decision(event.decision),
    )


def _decision(decision: Decision) -> Decision:
    return msgspec.structs.replace(
        decision,
        trace=tuple(
            msgspec.structs.replace(rule, conditions=tuple(map(_compared, rule.conditions)))
            for rule in decision.trace
        ),
        rating=_rating(decision.rating) if decision.rating else None,
    )


def _compared(one: ConditionTrace) -> ConditionTrace:
    of_text = one.condition.partition(" ")[0] in TEXT_FIELDS
    return msgspec.structs.replace(one, value=WITHHELD) if of_text and one.value else one


def _rating(rating: Rating) -> Rating:
    return msgspec.structs.replace(rating, reasons=tuple(map(_reason, rating.reasons)))


def _reason(one: Reason) -> Reason:
    said = one.source == "filter" and (": " not in one.words or one.words.startswith(_OF_TEXT))
    return msgspec.structs.replace(one, words=WITHHELD) if said else one
