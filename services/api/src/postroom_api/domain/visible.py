"""What of a decision somebody may read who does not see every rule.

Law: what happened to a mail is told to everybody who sees the mail; which rule did it, and what it
looked at, only to those who see the rule.
"""

from collections.abc import Container

import msgspec

from postroom_contract.rules import Decision, RuleTrace


def for_eyes(decision: Decision, rules: Container[str]) -> Decision:
    """Return the decision with the rules that are not among `rules` unnamed."""
    trace = tuple(one if one.rule in rules else _unnamed(one) for one in decision.trace)
    return msgspec.structs.replace(decision, trace=trace)


def _unnamed(trace: RuleTrace) -> RuleTrace:
    return msgspec.structs.replace(trace, rule="", version=0, name="", conditions=())
