"""The state of a mailbox whose check is under way."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from postroom_api.domain.mailbox_settings import (
    LastCheck,
    Mailbox,
    MailboxLimits,
    MailboxPrivacy,
    PasswordState,
    SourceView,
    UnderWay,
    as_of_now,
)

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def mailbox(source: dict[str, Any] | None = None, **changes: Any) -> Mailbox:
    view = SourceView(
        type="imap", addresses=[], host="x", port=993, tls="implicit", verify=True, login="x",
        password=PasswordState(True, NOW), apop=False, interval_minutes=5, delete_after=False, delete_after_days=0, mark_read=False, move_to="", folders=[],
        first_import_days=None, ca="", charset="",
    )  # fmt: skip
    check = LastCheck(
        state="idle", error=None, checked_at=NOW, next_check_at=None, found=0, stored=0, skipped=[]
    )
    made = Mailbox(
        id="mbx_1", name="x", kind="system", description="", active=True,
        source=msgspec.structs.replace(view, **(source or {})), limits=MailboxLimits(), privacy=MailboxPrivacy(),
        last_check=check, warnings=[], forum=None, state="idle", paused_for="", access="full",
        owner=None, orphaned=False, service=None, web_link="", mails=0, bytes=0, unread=0,
        created_at=NOW, version=1,
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


LATER = NOW + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("box", "check", "state"),
    [
        (mailbox(), None, "idle"),
        (mailbox(), UnderWay(LATER, LATER, 0), "connecting"),
        (mailbox(), UnderWay(LATER, LATER, 7), "syncing"),
        (mailbox(last_check=None, state="new"), UnderWay(LATER, LATER, 0), "connecting"),
        (mailbox(), UnderWay(LATER, NOW, 7), "idle"),
        (
            mailbox(state="auth_failed"),
            UnderWay(LATER, NOW - timedelta(seconds=9), 7),
            "auth_failed",
        ),
        (mailbox(active=False, state="paused"), UnderWay(LATER, LATER, 7), "paused"),
        (mailbox({"type": "smtp"}, state="open"), UnderWay(LATER, LATER, 7), "open"),
        (
            mailbox({"password": PasswordState(False, None)}, state="sign_in_again"),
            UnderWay(LATER, LATER, 7),
            "sign_in_again",
        ),
    ],
)
def test_the_state_as_of_now(box: Mailbox, check: UnderWay | None, state: str) -> None:
    assert as_of_now(box, check).state == state
