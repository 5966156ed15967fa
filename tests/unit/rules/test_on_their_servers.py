"""What rules do to mail on the server that it was fetched from."""

import pytest

from postroom_contract.commands import ArrangeMail
from postroom_contract.rules import FlagOnServer, MoveOnServer
from postroom_rules.domain.checks import problems
from postroom_rules.domain.consequences import consequences
from postroom_rules.domain.decide import decide
from postroom_rules.domain.plan import Ruleset
from support.rules import ALWAYS, event_for, facts, rule


def test_what_lies_on_an_imap_server_is_arranged_there_by_one_command() -> None:
    actions = (
        FlagOnServer("read"),
        MoveOnServer("Bills"),
        FlagOnServer("read"),
        MoveOnServer("Old"),
    )
    ruleset = Ruleset(1, (rule("a", ALWAYS, *actions),))
    decision = decide(facts(source="imap"), ruleset)
    assert decision.actions == actions
    assert decision.trace[0].done[:2] == (
        "marked as read on its server",
        "moved to Bills on its server",
    )
    (command,) = consequences(event_for("mail", None, decision))
    assert isinstance(command, ArrangeMail)
    assert (command.flags, command.move_to) == (("read",), "Old")


def test_other_mail_lies_on_no_server() -> None:
    decision = decide(facts(), Ruleset(1, (rule("a", ALWAYS, MoveOnServer("Bills")),)))
    assert decision.actions == ()
    assert "only mail that was fetched by IMAP" in decision.trace[0].done[0]


@pytest.mark.parametrize("name", ["", "  ", "a\r\nb", "x" * 201])
def test_a_folder_that_cannot_be_one_is_refused_when_the_rule_is_saved(name: str) -> None:
    assert [where for where, _ in problems(ALWAYS, (MoveOnServer(name),))] == ["/actions/0/folder"]
