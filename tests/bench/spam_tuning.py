"""How the numbers of the spam filter were chosen: on the mails of 2002 alone, never on what is judged.

`python -m bench.spam_tuning` reads two folders of SpamAssassin's public corpus, `easy-ham-1` and
`spam-1`, and judges each variant twice. *halves*: learn one half, judge the other (3 seeds). *others*:
each group of senders (a mailing list, the feeds, what remains by the sender's domain) is judged by
what learnt all the others and one half of the spam, against the other half: what comes later comes
from others. 1-AUC and spam missed at 1 % false alarms, both in %: less is better. For *others* each
wanted mail gives the share of unknown spam that is rated below it: mean, 99th percentile, and the
mean over the wanted mails with HTML (there are 8).
"""

import os
import random
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from zlib import crc32

import msgspec

from bench.spam_figures import CORPUS, Scored, caught, one_minus_auc
from postroom_mail.read import framed
from postroom_rules.domain import spam_model
from postroom_rules.domain.spam_model import TUNING, Model, Tuning
from postroom_rules.domain.spam_tokens import ASPECTS, Tokens, read_framed_with_tokens

SEEDS = int(os.environ.get("SEEDS", "3"))


@dataclass(frozen=True)
class Known:
    """A mail of which we know what it is."""

    spam: bool
    group: str
    html: bool
    tokens: Tokens


def known(folder: str) -> Iterator[Known]:
    for path in sorted((CORPUS / folder).glob("*.txt")):
        read = read_framed_with_tokens(framed(path.read_bytes(), ""))
        lists = (*read.mail.header("List-Id"), *read.mail.header("Mailing-List"))
        domain = read.mail.from_[0].address.rpartition("@")[2] if read.mail.from_ else ""
        group = _list(lists[0]) if lists else ""
        if not group:
            group = (
                "feeds"
                if domain == "spamassassin.taint.org"
                else f"rest{crc32(domain.encode()) % 6}"
            )
        html = "\nhtml: " in read.tokens.texts
        yield Known(folder.startswith("spam"), group, html, read.tokens)


def _list(name: str) -> str:
    families = ("fork", "rpm", "zzzzteana", "spamassassin|razor|spambayes", "linux|irish", "exmh")
    return next((one for one in families if re.search(one, name.lower())), "")


def scores(learnt: list[Known], judged: list[Known], tuning: Tuning) -> list[Scored]:
    model = Model(tuning)
    for one in learnt:
        model.learn(one.tokens, spam=one.spam)
    found = []
    for one in judged:
        rating = model.rate(msgspec.structs.replace(one.tokens, texts=""))
        assert rating is not None
        found.append(Scored(one.spam, rating.score))
    return found


def halves(mails: list[Known], tuning: Tuning) -> str:
    figures = []
    for seed in range(SEEDS):
        mixed = random.Random(f"tuning {seed}").sample(mails, len(mails))
        found = scores(mixed[::2], mixed[1::2], tuning)
        figures.append((one_minus_auc(found), 1 - caught(found, 0.01), 1 - caught(found, 0.001)))
    auc, hundredth, thousandth = (100 * sum(one) / len(one) for one in zip(*figures, strict=True))
    return f"halves {auc:.4f} {hundredth:5.2f} (at 0.1 %: {thousandth:5.2f})"


def others(mails: list[Known], tuning: Tuning) -> str:
    spam = [one for one in mails if one.spam]
    below: list[tuple[Known, float]] = []
    for half in (0, 1):
        for group in sorted({one.group for one in mails if not one.spam}):
            wanted = [one for one in mails if not one.spam and one.group != group]
            judged = [one for one in mails if not one.spam and one.group == group]
            middle = len(spam) // 2
            older, newer = spam[:middle], spam[middle:]
            learnt, unknown = (older, newer) if half else (newer, older)
            found = scores(wanted + learnt, judged + unknown, tuning)
            theirs = [one.score for one in found if one.spam]
            for mail, one in zip(judged, found, strict=False):
                below.append((mail, sum(score <= one.score for score in theirs) / len(theirs)))
    every = sorted(share for _, share in below)
    html = [share for mail, share in below if mail.html]
    rest = [share for mail, share in below if mail.group.startswith("rest")]
    return (
        f"others {100 * sum(every) / len(every):.3f} {100 * every[int(0.99 * len(every))]:5.1f}"
        f" rest {100 * sum(rest) / len(rest):.3f} html {100 * sum(html) / max(len(html), 1):.3f}"
    )


def variants() -> Iterator[tuple[str, Tuning]]:
    change: Callable[..., Tuning] = lambda **named: msgspec.structs.replace(TUNING, **named)  # noqa: E731
    yield "as it is", TUNING
    for unseen in (0.02, 0.2):
        yield f"unseen {unseen}", change(unseen=unseen)
    for least in (0.25, 1.0):
        yield f"least {least}", change(least=least)
    for factor in (0.5, 2.0):
        yield f"calm x {factor}", change(calm=tuple(factor * one for one in TUNING.calm))
    for index, aspect in enumerate(ASPECTS):
        for factor in (0.5, 2.0):
            weights = list(TUNING.weights)
            weights[index] *= factor
            yield f"{aspect} x {factor}", change(weights=tuple(weights))


def main() -> None:
    mails = [*known("easy-ham-1"), *known("spam-1")]
    print(
        len(mails),
        "mails,",
        sum(sum(one.tokens.sizes) for one in mails) // len(mails),
        "tokens each",
    )
    if len(sys.argv) > 1:  # another number of counters
        spam_model.SLOTS = 1 << int(sys.argv[1])  # type: ignore[misc]
        print(f"counters: {spam_model.SLOTS}")
    for name, tuning in variants():
        print(f"{name:16}", halves(mails, tuning), others(mails, tuning), flush=True)
        if "ONCE" in os.environ:
            return


if __name__ == "__main__":
    main()
