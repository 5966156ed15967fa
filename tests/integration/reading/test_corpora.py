"""Real mail, in the worker that reads it: all of it, in time, and as another reader reads it.

A seeded sample in `make test`; every mail in `make soak NAME=reading`.
"""

import math
import re
import time
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from postroom_mail import parts
from postroom_mail.headers import split_head
from postroom_mail.read import Mail
from postroom_mail.values import Report
from postroom_runtime.errors import RefusedError
from postroom_runtime.workers import Limits, WorkerPool
from support import corpora, oracle
from support.chance import SEED, say_seed

SAMPLE = 500
MIME4J_DIFFERENCES = {
    # One boundary is the beginning of another: the fast reader ends the inner part too early.
    "boundary-name-clash.msg",
    # A multipart without any boundary line: mime4j says no part, we show what is written there.
    "multipartnopart.msg",
}


def _may_differ(share: float, number: int) -> int:
    """How many of `number` may be otherwise; a sample strays by three standard deviations."""
    expected = share * number
    return math.floor(expected if corpora.soaking("reading") else expected + 3 * expected**0.5)


@corpora.needs_corpora
async def test_every_mail_is_read_as_another_reader_reads_it() -> None:
    say_seed()
    whole = [*corpora.spam_and_ham(), *corpora.mime_sets()]
    paths = corpora.sample(whole, SAMPLE, SEED, "reading")
    differing: Counter[str] = Counter()
    set_aside, with_text, without, slowest = [], 0, [], 0.0
    limits = Limits(wall_seconds=2.0)
    workers = WorkerPool("postroom_mail.read:read", Mail, what="reading", size=1, limits=limits)
    await workers.start()
    try:
        for path in paths:
            raw = path.read_bytes()
            began = time.monotonic()
            try:
                mail = await workers.call(raw)
            except RefusedError as error:
                set_aside.append(f"{path.name}: {error}")
                continue
            slowest = max(slowest, time.monotonic() - began)
            assert msgspec.msgpack.decode(msgspec.msgpack.encode(mail), type=Mail) == mail
            if any("the mail could not be read" in defect for defect in mail.defects):
                set_aside.append(f"{path.name}: {mail.defects}")
            for field, (theirs, ours) in oracle.differences(raw, mail).items():
                differing[field] += 1
                print(f"{field}: {path.relative_to(corpora.SHARED)}: {theirs!a} / {ours!a}")
            if oracle.has_text(raw):
                with_text += 1
                without += [] if mail.text.strip() else [path.name]
    finally:
        await workers.stop()
    print(f"{len(paths)} mails, slowest {slowest * 1000:.0f} ms, set aside: {set_aside}")
    print(f"differing: {dict(differing)}; text empty: {len(without)} of {with_text}: {without}")
    assert slowest < 2
    assert len(set_aside) <= 10
    assert all(number <= _may_differ(0.005, len(paths)) for number in differing.values())
    assert len(without) <= _may_differ(0.01, with_text)


@corpora.needs_corpora
async def test_hardly_any_mail_is_taken_for_a_bounce() -> None:
    """Those that are quote or forward one; a guess counts only where it names our recipient."""
    say_seed()
    paths = corpora.sample(corpora.spam_and_ham(), SAMPLE, SEED, "reading")
    limits = Limits(wall_seconds=2.0)
    workers = WorkerPool(
        "postroom_mail.reports:read_report", Report, what="reading", size=1, limits=limits
    )
    await workers.start()
    try:
        reports = {path.name: await workers.call(path.read_bytes()) for path in paths}
    finally:
        await workers.stop()
    taken = {name: one.kind for name, one in reports.items() if one.fates}
    print(f"{len(paths)} mails, taken for bounces: {taken}")
    assert len(taken) <= _may_differ(0.003, len(paths))


def _media_type(node: ET.Element, default: str) -> str:
    for field in node.findall("header/field"):
        if found := re.match(r"\s*content-type\s*:\s*([^\s;]+)", field.text or "", re.IGNORECASE):
            return found[1].lower()
    return default


def _theirs(node: ET.Element, default: str = "text/plain") -> list[Any]:
    media_type = _media_type(node, default)
    multipart = node.find("multipart")
    if multipart is None:
        return [media_type]  # a message in a message too: for us that is one attachment
    inner = "message/rfc822" if media_type == "multipart/digest" else "text/plain"
    return [media_type, *(_theirs(one, inner) for one in multipart.findall("body-part"))]


def _ours(part: parts.Part) -> list[Any]:
    inner = part.children if part.media_type.startswith("multipart/") else ()
    return [part.media_type, *map(_ours, inner)]


def _tree(path: Path) -> parts.Part:
    raw = path.read_bytes()
    head = split_head(raw)
    payload = head.mime + b"\r\n" + raw[head.body_at :]
    try:
        return parts._fast_tree(payload, parts._Budget())
    except Exception:  # noqa: BLE001 - what the fast reader refuses the careful one reads
        return parts._slow_tree(payload, parts._Budget())


@corpora.needs_corpora
def test_structure_is_that_of_mime4j() -> None:
    """Media types and nesting of each part, for each mail whose expected result is XML."""
    compared, differing = 0, set[str]()
    for path in sorted((corpora.SHARED / "mime-mime4j").glob("**/*.msg")):
        try:
            expected = ET.parse(path.with_suffix(".xml")).getroot()
        except ET.ParseError:
            continue  # two of the 80 results hold octets that XML does not allow
        compared += 1
        if _theirs(expected) != _ours(_tree(path)):
            differing.add(path.name)
    assert compared == 78
    assert differing <= MIME4J_DIFFERENCES, differing
