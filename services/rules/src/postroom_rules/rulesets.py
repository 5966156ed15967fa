"""Rulesets out of the configuration, compiled at a mailbox's first mail."""

from collections import OrderedDict
from typing import Final

from postroom_contract.documents import (
    MailboxDocument,
    RuleDocument,
    RulesetDocument,
    mailbox_key,
    rule_key,
    ruleset_key,
)
from postroom_rules.domain.plan import Plan, Ruleset, Thresholds
from postroom_rules.ratings import SpamDocuments
from postroom_runtime.configuration import Configuration
from postroom_runtime.errors import UnavailableError

KEPT: Final = 2_000
KEPT_BYTES: Final = 256 << 20
"""What the rulesets that are kept may come to take, all together."""


def needed(key: str, data: bytes) -> bool:
    """Whether rules keeps a document: of mailboxes only those set to something it asks, few."""
    if not key.startswith("mailbox."):
        return True
    charset = b'"charset":"' in data and b'"charset":""' not in data
    return charset or b'"index_text":false' in data


class ConfiguredRulesets:
    """Keeps the rulesets used last, ready to be run."""

    def __init__(self, configuration: Configuration, spam: SpamDocuments) -> None:
        self._configuration = configuration
        self._spam = spam
        self._kept: OrderedDict[str, Plan] = OrderedDict()
        self._bytes = 0
        configuration.on_change(self._forget)

    def _forget(self, key: str) -> None:
        """A key is `rule.<scope>.<rule>` or `ruleset.<scope>`; an account's rules are in all."""
        family, scope = key.split(".")[:2]
        if family == "mailbox":
            return
        if scope.startswith("acc_"):
            self._kept.clear()
            self._bytes = 0
        elif (dropped := self._kept.pop(scope, None)) is not None:
            self._bytes -= dropped.cost

    def of(self, account: str, mailbox: str) -> Plan:
        """Return a mailbox's ruleset; UnavailableError while it is not known for sure."""
        kept = self._kept.get(mailbox)
        if kept is None:
            (version, ours), (later, own) = self._layer(account), self._layer(mailbox)
            kept = Plan(
                Ruleset(
                    max(version, later),
                    tuple(one for one in ours if one.layer == "before"),
                    own,
                    tuple(one for one in ours if one.layer == "after"),
                    self._thresholds(account),
                )
            )
            self._keep(mailbox, kept)
        self._kept.move_to_end(mailbox)
        return kept

    def _keep(self, mailbox: str, plan: Plan) -> None:
        """Keep one more, and forget those that were not used for longest."""
        self._kept[mailbox] = plan
        self._bytes += plan.cost
        while len(self._kept) > 1 and (len(self._kept) > KEPT or self._bytes > KEPT_BYTES):
            self._bytes -= self._kept.popitem(last=False)[1].cost

    def charset(self, mailbox: str) -> str:
        """Return the mailbox's fallback charset; asked after `of`, so that it is known."""
        found = self._configuration.get(mailbox_key(mailbox), MailboxDocument)
        return found.charset if found else ""

    def indexes_text(self, mailbox: str) -> bool:
        """Return whether its mail's text may stand in events; asked after `of`, as `charset`."""
        found = self._configuration.get(mailbox_key(mailbox), MailboxDocument)
        return found is None or found.index_text

    def _thresholds(self, account: str) -> Thresholds:
        found = self._spam.of(account)
        return Thresholds(found.mark_at, found.quarantine_at, found.quarantine_days)

    def _layer(self, scope: str) -> tuple[int, tuple[RuleDocument, ...]]:
        """Return version and active rules of one scope."""
        head = self._configuration.get(ruleset_key(scope), RulesetDocument)
        if head is None:
            if not self._configuration.knows():
                raise UnavailableError(f"the rules of {scope} are not known yet")
            return 0, ()
        rules = []
        for name in head.rules:
            rule = self._configuration.get(rule_key(scope, name), RuleDocument)
            if rule is None:
                raise UnavailableError(f"rule {name} of {scope} is not known yet")
            if rule.active:
                rules.append(rule)
        return head.version, tuple(rules)
