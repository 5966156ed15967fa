"""Rulesets are made ready once, and what is kept of them is bounded."""

from postroom_contract.documents import RulesetDocument, rule_key, ruleset_key
from postroom_contract.rules import AddTag
from postroom_rules import rulesets
from postroom_rules.ratings import SpamDocuments
from postroom_rules.rulesets import ConfiguredRulesets
from support.rules import check, rule


class Documents:
    """A configuration of one account, and a rule or many for each mailbox."""

    def __init__(self, number: int) -> None:
        self.told = []
        self.found = {}
        for mailbox in ("mbx_a", "mbx_b", "mbx_c"):
            rules = [
                rule(f"{mailbox}{n}", check("subject", "contains", f"x{n}"), AddTag("x"))
                for n in range(number)
            ]
            names = tuple(one.id for one in rules)
            self.found |= {rule_key(mailbox, one.id): one for one in rules}
            self.found[ruleset_key(mailbox)] = RulesetDocument(
                scope=mailbox, account="acc_1", version=3, rules=names
            )

    def on_change(self, tell) -> None:
        self.told.append(tell)

    def knows(self) -> bool:
        return True

    def get(self, key, of):
        return self.found.get(key)


def test_a_ruleset_is_made_ready_once_and_again_after_a_change() -> None:
    documents = Documents(60)
    configured = ConfiguredRulesets(documents, SpamDocuments(documents))
    first = configured.of("acc_1", "mbx_a")
    assert configured.of("acc_1", "mbx_a") is first
    documents.told[0]("rule.mbx_b.rul_1")
    assert configured.of("acc_1", "mbx_a") is first
    for key in ("rule.mbx_a.rul_1", "ruleset.acc_1"):
        documents.told[0](key)
        assert configured.of("acc_1", "mbx_a") is not first


def test_what_is_kept_is_bounded_by_number_and_by_memory(monkeypatch) -> None:
    documents = Documents(60)
    one = ConfiguredRulesets(documents, SpamDocuments(documents)).of("acc_1", "mbx_a").cost
    for name, value in (("KEPT", 2), ("KEPT_BYTES", int(one * 2.5))):
        with monkeypatch.context() as patch:
            patch.setattr(rulesets, name, value)
            configured = ConfiguredRulesets(documents, SpamDocuments(documents))
            a, b = configured.of("acc_1", "mbx_a"), configured.of("acc_1", "mbx_b")
            assert configured.of("acc_1", "mbx_a") is a
            configured.of("acc_1", "mbx_c")
            assert configured.of("acc_1", "mbx_a") is a
            assert configured.of("acc_1", "mbx_b") is not b, "it was used longest ago"
    monkeypatch.setattr(rulesets, "KEPT_BYTES", 1)
    configured = ConfiguredRulesets(documents, SpamDocuments(documents))
    assert configured.of("acc_1", "mbx_a") is configured.of("acc_1", "mbx_a")
