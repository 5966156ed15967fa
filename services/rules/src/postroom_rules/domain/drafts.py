"""A ruleset as it would be with a draft in it, and a condition alone."""

import msgspec

from postroom_contract.documents import RuleDocument
from postroom_contract.rules import Condition, Decision
from postroom_contract.ruling import Outcome, TriedMail
from postroom_rules.domain.decide import decide
from postroom_rules.domain.facts import Facts
from postroom_rules.domain.plan import Plan, Ruleset, Ticks


def with_draft(plan: Plan, draft: RuleDocument) -> Plan:
    """Return the plan with a draft in the place of the rule of its id, else behind the others."""
    layers = layers_of(plan)
    mine = _layer(draft)
    if draft.id in {one.id for one in layers[mine]}:
        layers[mine] = [draft if one.id == draft.id else one for one in layers[mine]]
    else:
        layers = [[one for one in layer if one.id != draft.id] for layer in layers]
        layers[mine].append(draft)
    return Plan(ruleset_of(layers, plan))


def layers_of(plan: Plan) -> list[list[RuleDocument]]:
    """Return its rules: the account's, the mailbox's, and the account's for afterwards."""
    first, second, last = plan.ends
    documents = [one.document for one in plan.rules]
    return [documents[:first], documents[first:second], documents[second:last]]


def sorted_out(rules: tuple[RuleDocument, ...]) -> Ruleset:
    """Return the ruleset of rules as they were named, those of a scope in their order."""
    layers: list[list[RuleDocument]] = [[], [], []]
    for one in rules:
        layers[_layer(one)].append(one)
    before, own, after = layers
    return Ruleset(0, tuple(before), tuple(own), tuple(after))


def ruleset_of(layers: list[list[RuleDocument]], plan: Plan) -> Ruleset:
    """Return a ruleset of other rules, with all else as a plan has it."""
    before, own, after = layers
    return Ruleset(plan.version, tuple(before), tuple(own), tuple(after), plan.thresholds)


def _layer(rule: RuleDocument) -> int:
    if not rule.scope.startswith("acc_"):
        return 1
    return 0 if rule.layer == "before" else 2


def has(plan: Plan, rule: str) -> bool:
    """Whether a rule is in force there."""
    return any(one.document.id == rule for one in plan.rules)


def outcome(decision: Decision, rule: str) -> Outcome:
    """Return what a decision says of one rule."""
    for trace in decision.trace:
        if trace.rule == rule and (trace.matched or trace.done):
            return Outcome(matched=trace.matched, done=trace.done)
    return Outcome(matched=False)


def alone(when: Condition) -> Plan:
    """Return a plan of one rule that does nothing."""
    rule = RuleDocument(
        id="rul_alone", account="", scope="", name="", active=True, when=when, then=(), version=0
    )
    return Plan(Ruleset(0, (rule,)))


def tried_alone(plan: Plan, facts: Facts, ticks: Ticks) -> TriedMail:
    """Return whether the one rule fits; of what is too much to show nothing is shown."""
    tried = TriedMail(subject=facts.subject, sender=facts.envelope_from)
    for trace in decide(facts, plan, ticks=ticks).trace:
        tried = msgspec.structs.replace(
            tried,
            matched=trace.matched,
            conditions=trace.conditions,
            problem="; ".join(trace.done),
        )
    return tried
