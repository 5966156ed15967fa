"""No program's mail of the corpora passes for a person's, and no person's for a program's.

Programs' mails are found by another reader (Python's `email`), by their marks, or because their
set says so. The corpora have no envelopes: an ordinary sender stands for all, so a bounce must be
known without its empty one.
"""

import email.parser
import email.policy
import re
from collections import Counter
from pathlib import Path

from postroom_mail.read import read
from postroom_mail.reports import read_report
from postroom_mail.robot import robot_signs
from support import corpora
from support.archive import archive
from support.chance import SEED, say_seed

SAMPLE = 500
REPLIES = (
    "reply-discourse-trimmer", "reply-github", "reply-quotequail", "reply-talon", "reply-zapier",
)  # fmt: skip
HAM = ("easy-ham-1", "easy-ham-2", "hard-ham-1")
NO_SIGN = {
    "bounce_02.txt": "a gateway's own words, under a name of its own: known by its words",
    "simple_20.txt": "a French server's words behind `RE:`, as from a person: known by its words",
    "simple_22.txt": "a virus scanner's words, under a name of its own: known by its words",
    "groupwise_03.txt": "a person's answer, which flufl.bounce has to take for no bounce",
}
"""Programs' mails that only their words and their empty envelope sender tell; and one of a person."""
FOUND = {
    "a sign": 132,
    "only what lists set too": 4,  # Precedence: bulk and junk
    "no sign, guess by its words": 3,
    "no sign, none by its words": 1,
}
ALARMS = {
    "badbound.msg": "a postmaster's `Returned Mail`, without the type of a report: a program's"
}
"""Mails with a sign that the search for programs' mails does not find."""

_MARKS = ("auto-submitted", "x-autoreply", "x-autorespond", "x-failed-recipients", "x-cron-env")
_AUTHORS = re.compile(r"mailer-?daemon|mail delivery", re.IGNORECASE)
_ANSWERS = re.compile(
    r"(?!.*\bre:)(?:.*out of (?:the )?office|auto(?:matic)?[- ]?repl|vacation (?:reply|note))",
    re.IGNORECASE,
)
_BYTES = re.compile(
    rb"(?im)multipart/report|^(?:auto-submitted|x-auto|x-failed|x-cron)|daemon|mail delivery|"
    rb"^subject:.*(?:out of|auto|vacation)"
)


def signs_of(raw: bytes) -> tuple[str, ...]:
    return robot_signs(read(raw), envelope_sender="somebody@example.net", own_marker=False)


def by_design(sign: str) -> bool:
    """Whether a mail has it that a person wrote, and a list passed on."""
    return sign.endswith("as mail of a list") or sign.startswith("Precedence is ")


def programs() -> list[Path]:
    """Every mail of the corpora that a program wrote, by its marks or by what its set says."""
    bounces = sorted((corpora.SHARED / "bounce-flufl").glob("*.txt"))
    others = [*corpora.mime_sets(), *corpora.spam_and_ham(), *notmuch()]
    return bounces + [path for path in others if marked(path.read_bytes())]


def notmuch() -> list[Path]:
    return sorted(path for path in (corpora.SHARED / "list-notmuch").rglob("*") if path.is_file())


def marked(raw: bytes) -> bool:
    raw = raw.partition(b"\n")[2] if raw.startswith(b"From ") else raw
    head = re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0]
    if not _BYTES.search(head):
        return False
    found = email.parser.BytesHeaderParser(policy=email.policy.compat32).parsebytes(head)
    return (
        found.get_content_type() == "multipart/report"
        or any(str(found.get(name, "no")).lower() != "no" for name in _MARKS)
        or bool(_AUTHORS.search(str(found.get("from", ""))))
        or bool(_ANSWERS.match(str(found.get("subject", ""))))
    )


@corpora.needs_corpora
def test_no_programs_mail_passes_for_a_persons() -> None:
    kinds: Counter[str] = Counter()
    without = set[str]()
    for path in programs():
        raw = path.read_bytes()
        signs = signs_of(raw)
        if not signs:
            without.add(path.name)
            kinds[f"no sign, {read_report(raw).kind} by its words"] += 1
        else:
            kinds["only what lists set too" if all(map(by_design, signs)) else "a sign"] += 1
    print(dict(kinds))
    assert without == NO_SIGN.keys()
    assert kinds == FOUND


@corpora.needs_corpora
def test_no_persons_mail_passes_for_a_programs() -> None:
    """But what came through a list: that is a sign by design, and so is its Precedence."""
    say_seed()
    ham = [path for path in corpora.spam_and_ham() if path.parent.name in HAM]
    sets = [path for name in REPLIES for path in sorted((corpora.SHARED / name).rglob("*.*"))]
    paths = [*corpora.sample(ham, SAMPLE, SEED, "reading"), *notmuch(), *sets, *corpora.mime_sets()]
    written = {path.name for path in programs()}
    counted: Counter[str] = Counter()
    alarms = set[str]()
    for path in paths:
        signs = signs_of(path.read_bytes())
        if all(map(by_design, signs)):
            counted["through a list" if signs else "no sign"] += 1
        elif path.name in written:
            counted["a program's"] += 1
        else:
            alarms.add(path.name)
            print(f"{path.name}: {signs}")
    print(dict(counted), alarms)
    assert alarms == ALARMS.keys()


@corpora.needs_corpora
def test_no_post_of_a_list_has_a_sign_without_the_lists_headers() -> None:
    """Pipermail keeps neither List-Id nor Precedence: 2,718 mails as people wrote them."""
    found = {
        one: robot_signs(mail.mail, envelope_sender="somebody@example.net", own_marker=False)
        for one, mail in archive().items()
    }
    assert {one: signs for one, signs in found.items() if signs} == {}
    assert len(found) == 2718
