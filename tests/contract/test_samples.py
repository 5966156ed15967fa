"""Every sample that ever shipped decodes for ever, and every kind of message has one."""

from pathlib import Path
from typing import get_args

import pytest

from postroom_contract import (
    beats,
    codec,
    commands,
    conversations,
    documents,
    events,
    forum,
    importing,
    ledger,
    mail_domains,
    membership,
    probing,
    ruling,
    schema,
    training,
)
from postroom_contract.mail import Envelope
from postroom_contract.work import PollJob

SAMPLES = Path(schema.DIRECTORY).parent / "samples"


def kinds() -> dict[str, type]:
    found = {f"event.{kind.__struct_config__.tag}": events.Event for kind in get_args(events.Event)}
    found |= {
        f"command.{kind.__struct_config__.tag}": commands.Command
        for kind in get_args(commands.Command)
    }
    for request in (
        *forum.REQUESTS,
        *membership.REQUESTS,
        *ruling.REQUESTS,
        *probing.REQUESTS,
        *ledger.REQUESTS,
        *importing.REQUESTS,
        *conversations.REQUESTS,
        *mail_domains.REQUESTS,
    ):
        found[f"rpc.{request.service}.{request.verb}.request"] = request
        found[f"rpc.{request.service}.{request.verb}.answer"] = request.answer
    found |= {
        "document.address": documents.AddressDocument,
        "document.domain": documents.DomainDocument,
        "document.mailbox": documents.MailboxDocument,
        "document.rule": documents.RuleDocument,
        "document.ruleset": documents.RulesetDocument,
        "document.submission": documents.SubmissionDocument,
        "document.suppressed": documents.SuppressedDocument,
        "document.hold": documents.HoldDocument,
        "document.door": documents.DoorDocument,
        "document.spam": documents.SpamDocument,
        "train": training.Training,
        "model": training.ModelSnapshot,
        "outbox.mail": commands.OutboxMail,
        "progress": commands.Progress,
        "sent": commands.Sent,
        "work.poll": PollJob,
        "dead.set_aside": commands.SetAside,
        "beat": beats.Beat,
    }
    found |= {f"live.{one.__struct_config__.tag}": one for one in get_args(probing.Live)}
    return found


def files() -> list[Path]:
    return sorted(SAMPLES.glob("*.json"))


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_a_sample_decodes_to_its_kind_and_back(path: Path) -> None:
    name = path.name.removesuffix(".json").rpartition(".v")[0]
    value = codec.decode(path.read_bytes(), kinds()[name])
    assert codec.decode(codec.encode(value), kinds()[name]) == value


def test_every_event_command_and_document_has_a_sample() -> None:
    have = {path.name.removesuffix(".json").rpartition(".v")[0] for path in files()}
    wanted = {name for name in kinds() if not name.startswith("rpc.")}
    assert wanted <= have


def test_an_unknown_field_of_a_newer_version_is_ignored() -> None:
    sample = (SAMPLES / "event.post.created.v1.json").read_bytes().rstrip()
    newer = sample[:-1] + b', "something_new": 1}'
    assert codec.decode(newer, events.Event) == codec.decode(sample, events.Event)


def test_the_envelope_survives_its_header() -> None:
    text = (SAMPLES / "intake.envelope.v1.txt").read_text().strip()
    envelope = codec.envelope_from_header(text)
    assert isinstance(envelope, Envelope)
    assert codec.envelope_to_header(envelope) == text


@pytest.mark.parametrize("text", ["", "!!!", "eHg=", "gaFh"])
def test_a_foreign_header_is_refused_in_words(text: str) -> None:
    with pytest.raises(codec.ContractError, match="not an envelope"):
        codec.envelope_from_header(text)


def test_schemas_are_those_of_the_structs() -> None:
    assert schema.drift() == []


def test_drift_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in schema.DIRECTORY.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "event.post.created.v1.json").write_bytes(b"{}\n")
    (tmp_path / "event.gone.v1.json").write_bytes(b"{}\n")
    monkeypatch.setattr(schema, "DIRECTORY", tmp_path)
    assert schema.drift() == ["event.gone.v1.json", "event.post.created.v1.json"]
