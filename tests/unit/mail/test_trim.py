"""What a reply says itself, and what it quotes and signs with."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom_mail.read import read
from postroom_mail.text import html_to_text, plain
from postroom_mail.trim import MAX_LINES, Trimmed, elided_lines, part, trim
from support.corpora import SHARED, needs_corpora

OURS = Path(__file__).parents[3] / "tests" / "corpus" / "reply-discourse-trimmer"
THEIRS = SHARED / "reply-discourse-trimmer"
DIFFERING = {
    "embedded_email_1.txt": "text behind a quotation is an answer to us, a signature to them"
}
"""File → why we trim otherwise than discourse/email_reply_trimmer expects."""
SETS = (
    "reply-discourse-trimmer/emails", "reply-github", "reply-quotequail", "reply-talon",
    "reply-zapier",
)  # fmt: skip


def text_of(path: Path) -> str:
    raw = path.read_bytes()
    if path.suffix == ".eml":
        return read(raw).text
    text = plain(raw.decode("utf-8", "replace"))
    return html_to_text(text) if path.suffix == ".html" else text


def lines(*texts: str) -> list[str]:
    return sorted(line for text in texts for line in text.split("\n") if line.strip())


def differs(folder: Path, name: str) -> bool:
    """Compare exactly; but they join wrapped attributions, and write all quote marks as ">"."""
    got = trim(text_of(folder / "emails" / name))
    own, elided = ((folder / kind / name).read_text() for kind in ("trimmed", "elided"))
    marks = re.compile(r"^(?:[A-Z]\w*>|\|)", re.MULTILINE)
    return got.own.strip() != own.strip() or marks.sub(">", got.elided).split() != elided.split()


@pytest.mark.parametrize("path", sorted((OURS / "emails").glob("*")), ids=lambda path: path.stem)
def test_replies_that_people_sent(path: Path) -> None:
    assert not differs(OURS, path.name)


@needs_corpora
def test_discourse_agrees_but_for_what_is_named() -> None:
    names = [path.name for path in sorted((THEIRS / "emails").glob("*"))]
    assert len(names) == 64
    assert {name for name in names if differs(THEIRS, name)} == set(DIFFERING)


@needs_corpora
@pytest.mark.parametrize("name", SETS)
def test_nothing_is_lost_of_any_set(name: str) -> None:
    paths = [path for path in (SHARED / name).rglob("*") if path.is_file()]
    assert paths
    for path in paths:
        text = text_of(path)
        got = trim(text)
        assert lines(got.own, got.elided) == lines(text), path


PIECES = (
    "text", "", "> quoted", ">> twice", "On 1 May 2016 at 10:30, Anna <a@example.org> wrote:",
    "Anna <a@example.org", "> wrote:", "Am 1.5.2016 um 10:30 schrieb Anna:", "AB> x", "| x", "-- ",
    "____________", "---", "Sent from my iPhone", "-----Original Message-----", "From: a@b.example",
    "To: c", "Subject: d", "Date: e", "```", "  ", "a:", "<", ":",
)  # fmt: skip


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=12)), max_size=30))
def test_nothing_is_lost_of_anything(pieces: list[str]) -> None:
    text = "\n".join(pieces)
    got = trim(text)
    assert lines(got.own, got.elided) == lines(text)
    assert got == part(text, elided_lines(text))
    found = elided_lines(text)
    assert list(found) == sorted(set(found))
    assert not found or found[-1] <= len(text.split("\n"))


@pytest.mark.parametrize(
    "attribution",
    [
        "On Mon, 2 May 2016 at 10:30, Anna <anna@example.org> wrote:",
        "On Mon, 2 May 2016 at 10:30, Anna Maria von der Aue <\nanna@example.org> wrote:",
        "Am 02.05.2016 um 10:30 schrieb Anna:",
        "Anna <anna@example.org> schrieb am Mo., 2. Mai 2016, 10:30:",
        "Le lun. 2 mai 2016 à 10:30, Anna <anna@example.org> a écrit :",
        "El lun, 2 may 2016 a las 10:30, Anna (<anna@example.org>) escribió:",
        "Em seg., 2 de mai. de 2016 às 10:30, Anna <anna@example.org> escreveu:",
        "Il giorno lun 2 mag 2016 alle ore 10:30 Anna <anna@example.org> ha scritto:",
        "Op ma 2 mei 2016 om 10:30 schreef Anna <anna@example.org>:",
        "Den mån 2 maj 2016 kl 10:30 skrev Anna <anna@example.org>:",
        "pon., 2 maj 2016 o 10:30 Anna <anna@example.org> napisał(a):",
        "po 2. 5. 2016 v 10:30 odesílatel Anna <anna@example.org> napsal:",
        "пн, 2 мая 2016 г. в 10:30, Anna <anna@example.org>:",
        "2016年5月2日(月) 10:30 Anna <anna@example.org>:",
        "2016년 5월 2일 (월) 오전 10:30, Anna <anna@example.org>님이 작성:",
        "Anna <anna@example.org>, 2 May 2016 Pzt, 10:30 tarihinde şunu yazdı:",
        "--- On Tue, 6/1/10, Anna wrote:",
        "-----Original Message-----",
        "----- Ursprüngliche Nachricht -----\nVon: Anna <anna@example.org>\nAn: Ben\nBetreff: x",
        "________________\nDe : Anna <a@example.org>\nEnvoyé : lundi 2 mai\nÀ : Ben\nObjet : x",
        "Van: Anna <anna@example.org>\nVerzonden: maandag 2 mei 2016 10:30\nAan: Ben\nOnderwerp: x",
        "差出人: Anna\n送信日時: 2016年5月2日\n宛先: Ben <ben@example.org>\n件名: x",
        "Begin forwarded message:\n\nFrom: Anna <a@example.org>\nSubject: x\nTo: Ben",
    ],
)
@pytest.mark.parametrize("quoted", ["> Ripe?\n>\n> Anna", "Ripe?\n\nAnna"])
def test_attributions_in_many_languages(attribution: str, quoted: str) -> None:
    assert trim(f"Yes.\n\n{attribution}\n\n{quoted}\n") == Trimmed(
        "Yes.", f"{attribution}\n\n{quoted}"
    )


@pytest.mark.parametrize(
    ("text", "own", "elided"),
    [
        ("Hello\n\nBen", "Hello\n\nBen", ""),
        ("", "", ""),
        # A quotation alone says something: it was sent.
        ("> only this", "> only this", ""),
        # Answers between quotations, and below one, stay with what they answer.
        ("> one\n\nyes\n\n> two\n\nno", "> one\n\nyes\n\n> two\n\nno", ""),
        ("Hi\n\nAnna wrote:\n> one\n\nyes", "Hi\n\n> one\n\nyes", "Anna wrote:"),
        ("On 1.5.2016 Anna wrote:\n> one\n\nyes\n\n> two", "> one\n\nyes",
         "On 1.5.2016 Anna wrote:\n> two"),
        # Below a whole quotation.
        ("Anna wrote:\n> one\n> two\n\nyes", "yes", "Anna wrote:\n> one\n> two"),
        # Signatures.
        ("yes\n-- \nBen\nGarden Ltd", "yes", "-- \nBen\nGarden Ltd"),
        ("yes\n\nGesendet mit der Mail-App\nVon meinem iPhone gesendet", "yes",
         "Gesendet mit der Mail-App\nVon meinem iPhone gesendet"),
        ("yes\n-- \nBen\n\nAnna wrote:\n> one\n\nno", "yes\n\n> one\n\nno",
         "-- \nBen\n\nAnna wrote:"),
        ("a\n--\n" + "b\n" * 16 + "c", "a\n--\n" + "b\n" * 16 + "c", ""),
        # What only looks like one of these.
        ("Sent from my iPhone\nis what it says", "Sent from my iPhone\nis what it says", ""),
        ("Title\n=====\n\ntext\n\n---\n\nmore", "Title\n=====\n\ntext\n\n---\n\nmore", ""),
        ("The minister wrote:\n\nNo taxes.", "The minister wrote:\n\nNo taxes.", ""),
        ("In 2016 I wrote:\n\nNo taxes.", "In 2016 I wrote:\n\nNo taxes.", ""),
        ("x\nFrom: Rome\nTo: Bonn\nDate: Friday", "x\nFrom: Rome\nTo: Bonn\nDate: Friday", ""),
        ("x\n```\n-- \n> y\n```", "x\n```\n-- \n> y\n```", ""),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "| a | b |\n|---|---|\n| 1 | 2 |", ""),
    ],
)  # fmt: skip
def test_what_is_own(text: str, own: str, elided: str) -> None:
    assert trim(text) == Trimmed(own, elided)


def _repeated(piece: str) -> Callable[[int], str]:
    return lambda count: piece * count


@pytest.mark.parametrize(
    "piece",
    [
        ":\n", "\n", ">\n", "a <\n", "a <b\n>:\n", "--\n", "_____\nx\n", "From: a\n", "```\n", "AB> x\n",
        "From: a\nTo: b\nx\n\ny\n", "On 1.1.2016 10:30 x\n", "On 1.1.2016 10:30 x wrote:\n> a\nb\n",
        "wrote:\n", "2016-01-01 GMT <\n", "Sent from my x\n", f"{'x' * 480}:\n",
    ],
)  # fmt: skip
def test_time_grows_with_the_text_alone(piece: str) -> None:
    """Twenty times as much takes about twenty times as long; a quadratic way took four hundred."""
    few = MAX_LINES // 20 // piece.count("\n") - 1

    def seconds(count: int) -> float:
        text = piece * count
        best = 60.0
        for _ in range(3):
            began = time.thread_time()
            trim(text)
            best = min(best, time.thread_time() - began)
        return best

    # A little more than what the clock and other work on the machine may add.
    assert seconds(few * 20) < 5 * 20 * seconds(few) + 0.05


@pytest.mark.parametrize("text", [">" * 1_000_000, "x" * 1_000_000 + ":", "<" * 1_000_000 + "\n>:",
    "On 1.1.2016 10:30 " * 60_000, "-" * 1_000_000, " " * 1_000_000, "wrote:\n" * 150_000])  # fmt: skip
def test_a_million_characters_take_no_second(text: str) -> None:
    began = time.thread_time()
    trim(text)
    assert time.thread_time() - began < 1


def test_a_text_of_very_many_lines_is_own() -> None:
    text = "yes\n" * MAX_LINES + "> no"
    assert elided_lines(text) == ()
