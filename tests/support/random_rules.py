"""Rules by chance, of every field, operator and action, with values out of real mail."""

import random
import re

from postroom_contract.documents import RuleDocument
from postroom_contract.rules import (
    AddSpamRating,
    AddTag,
    Condition,
    Delete,
    FlagOnServer,
    Forward,
    Group,
    MarkRead,
    MarkSpam,
    MoveOnServer,
    PostToForum,
    Reject,
    SetImportance,
    SetSpamRating,
    Stop,
    Test,
)
from postroom_rules.domain.facts import Facts
from postroom_rules.domain.values import Values
from support.rules import rule

TEXTS = (
    "from", "to", "cc", "subject", "header", "body", "attachment", "spf", "dkim", "dmarc", "arc",
    "bcc", "reply_to", "sender", "envelope_from", "envelope_to", "list_id", "message",
    "attachment_name", "attachment_type", "robot", "weekday",
)  # fmt: skip
NUMBERS = ("size", "attachment_count", "attachment_size", "spam_rating")
PEOPLE = ("from", "to", "cc", "reply_to", "envelope_from", "envelope_to")
HEADERS = ("Received", "x-mailer", "Content-Type", "PRECEDENCE", "List-Id", "X-None", "Message-ID")
SHAPES = (
    r"{}", r"^{}", r"{}$", r"(?s){}.*{}", r"({})?x+", r"(\w+) {}", r"\b({})\b", r"[a-f]+{}",
    r"(?:{}|zzz)(.)", r"(?m)^{}", r"(?i:{})|{}\d", r"({}", r"\d{{2,4}}.{}", r"(a+)+$", r"", r"{}\z",
)  # fmt: skip
"""Some are no patterns: a rule with one is skipped, and says so."""


class RandomRules:
    """Makes rules of words and values of these mails."""

    def __init__(self, random: random.Random, facts: list[Facts]) -> None:
        self._random = random
        self._facts = facts

    def rules(self, number: int, *, start: int = 0, stops: bool = True) -> tuple[RuleDocument, ...]:
        """Return so many; ids are numbered from `start`."""
        return tuple(self.rule(f"r{start + one}", stops=stops) for one in range(number))

    def rule(self, name: str, *, stops: bool = True) -> RuleDocument:
        """Return one; without `stops` it ends nothing and does not read the spam rating."""
        chance = self._random
        found = self.condition(0)
        while not stops and "spam_rating" in repr(found):
            found = self.condition(0)
        then = [self._action(stops=stops) for _ in range(chance.randrange(1, 4))]
        return rule(name, found, *then, shadow=chance.random() < 0.1)

    def condition(self, depth: int) -> Condition:
        """Return a comparison or, often, a group."""
        chance = self._random
        if depth < 3 and chance.random() < (0.4 if depth == 0 else 0.25):
            mode = chance.choice(("all", "all", "any", "none"))
            parts = [self.condition(depth + 1) for _ in range(chance.choice((0, 1, 2, 2, 3)))]
            return Group(mode=mode, of=tuple(parts))
        return self._test()

    def _test(self) -> Test:
        chance = self._random
        negate = chance.random() < 0.15
        kind = chance.random()
        if kind < 0.15:
            return self._number_test(negate=negate)
        if kind < 0.22:
            return self._time_test(negate=negate)
        field = chance.choice(TEXTS)
        header = chance.choice(HEADERS) if field == "header" else None
        parts = ("whole", "whole", "address", "domain", "local", "detail")
        part = chance.choice(parts) if field in PEOPLE else "whole"
        look = Test(field=field, operator="exists", header=header, part=part)
        operator = chance.choice(
            ("contains", "contains", "equals", "starts", "ends", "wildcard", "regex", "exists")
        )
        number = 0 if operator == "exists" else chance.choice((1, 1, 1, 2, 5, 0))
        values = tuple(self._value(look, operator) for _ in range(number))
        return Test(
            field=field, operator=operator, header=header, part=part, values=values, negate=negate
        )

    def _value(self, look: Test, operator: str) -> str:
        chance = self._random
        found = Values(chance.choice(self._facts)).of(look)
        text = chance.choice(found).plain if found else chance.choice(("x", "", "example", "ß"))
        at = chance.randrange(len(text) + 1)
        piece = text[at : at + chance.choice((0, 1, 3, 5, 9, 20))]
        if chance.random() < 0.3:
            piece = chance.choice((piece.upper, piece.lower, piece.swapcase))()
        if operator == "equals" and chance.random() < 0.8:
            return text[:300]
        if operator == "starts" and chance.random() < 0.8:
            return text[: len(piece)]
        if operator == "ends" and chance.random() < 0.8:
            return text[len(text) - len(piece) :]
        if operator == "wildcard":
            return chance.choice(("*{}*", "{}*", "*{}", "*?{}*", "{}")).format(piece)
        if operator == "regex":
            return chance.choice(SHAPES).replace("{{", "{").replace("}}", "}").replace(
                "{}", re.escape(piece)
            )  # fmt: skip
        return piece

    def _number_test(self, *, negate: bool) -> Test:
        chance = self._random
        field = chance.choice(NUMBERS)
        operator = chance.choice(("less", "greater", "between", "equals"))
        top = {"size": 20_000, "attachment_size": 50_000}.get(field, 5)

        def number() -> str:
            if chance.random() < 0.02:
                return chance.choice(("huge", "nan", "inf", "-inf", "1e3", ""))
            return str(chance.choice((chance.randrange(top), chance.random() * top, top // 2)))

        values = tuple(
            f"{number()}..{number()}" if operator == "between" else number()
            for _ in range(chance.choice((1, 1, 2)))
        )
        return Test(field=field, operator=operator, values=values, negate=negate)

    def _time_test(self, *, negate: bool) -> Test:
        chance = self._random
        operator = chance.choice(("less", "greater", "between", "equals"))
        values = [f"{chance.randrange(24):02}:{chance.randrange(60):02}" for _ in range(2)]
        value = "..".join(values) if operator == "between" else values[0]
        return Test(field="time", operator=operator, values=(value,), negate=negate)

    def _action(self, *, stops: bool):
        chance = self._random
        found = [
            lambda: AddTag(chance.choice(("one", "two", "{1}", "{2} {subject}", "{from}"))),
            lambda: SetImportance(chance.choice(("low", "normal", "high"))),
            lambda: SetSpamRating(chance.randrange(101)),
            lambda: AddSpamRating(chance.randrange(-50, 51)),
            lambda: MarkSpam(chance.random() < 0.5),
            MarkRead,
            lambda: Forward(f"{chance.randrange(9)}@example.com"),
            lambda: PostToForum("frm_1"),
            lambda: MoveOnServer(chance.choice(("Bills", "{1}"))),
            lambda: FlagOnServer("read"),
        ]
        if stops and chance.random() < 0.004:
            return chance.choice((Delete(), Stop(), Stop("layer"), Reject("no {subject}")))
        return chance.choice(found)()
