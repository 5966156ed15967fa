"""JSON Schemas of everything on the wire, generated: `python -m postroom_contract.schema --write`.

`--check` ends with 1 where `schema/` differs from what the structs say.
"""

import sys
from pathlib import Path
from typing import get_args

import msgspec

from postroom_contract import (
    beats,
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
    training,
)
from postroom_contract.mail import Envelope
from postroom_contract.work import PollJob

DIRECTORY = Path(__file__).resolve().parents[2] / "schema"


def schemas() -> dict[str, bytes]:
    """Return file name → indented JSON Schema."""
    kinds: dict[str, object] = {}
    for event in get_args(events.Event):
        kinds[f"event.{event.__struct_config__.tag}"] = event
    for command in get_args(commands.Command):
        kinds[f"command.{command.__struct_config__.tag}"] = command
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
        kinds[f"rpc.{request.service}.{request.verb}.request"] = request
        kinds[f"rpc.{request.service}.{request.verb}.answer"] = request.answer
    for document in (
        documents.AddressDocument,
        documents.DomainDocument,
        documents.MailboxDocument,
        documents.RuleDocument,
        documents.RulesetDocument,
        documents.SubmissionDocument,
        documents.SuppressedDocument,
        documents.HoldDocument,
        documents.DoorDocument,
        documents.SpamDocument,
    ):
        kinds[f"document.{document.__name__.removesuffix('Document').lower()}"] = document
    kinds["intake.envelope"] = Envelope
    kinds["train"] = training.Training
    kinds["model"] = training.ModelSnapshot
    kinds["outbox.mail"] = commands.OutboxMail
    kinds["progress"] = commands.Progress
    kinds["sent"] = commands.Sent
    kinds["work.poll"] = PollJob
    kinds["dead.set_aside"] = commands.SetAside
    kinds["beat"] = beats.Beat
    for progress in get_args(probing.Live):
        kinds[f"live.{progress.__struct_config__.tag}"] = progress
    return {
        f"{name}.v1.json": msgspec.json.format(
            msgspec.json.encode(msgspec.json.schema(kind), order="sorted"), indent=2
        )
        + b"\n"
        for name, kind in kinds.items()
    }


def drift() -> list[str]:
    """Return the names of files that are missing, superfluous or different."""
    wanted = schemas()
    present = {path.name: path.read_bytes() for path in DIRECTORY.glob("*.json")}
    return sorted(
        name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name)
    )


def write() -> None:
    """Make `schema/` say what the structs say."""
    DIRECTORY.mkdir(exist_ok=True)
    wanted = schemas()
    for path in DIRECTORY.glob("*.json"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (DIRECTORY / name).write_bytes(text)


def main(arguments: list[str]) -> int:
    """Write or check; return the exit code."""
    if arguments == ["--write"]:
        write()
        return 0
    if arguments == ["--check"]:
        different = drift()
        for name in different:
            sys.stderr.write(f"schema/{name} differs from the structs: run `make schema`\n")
        return 1 if different else 0
    sys.stderr.write("usage: python -m postroom_contract.schema --write | --check\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
