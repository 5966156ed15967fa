"""What is written to somebody who gets a one-time link."""

from typing import Final, Literal

Kind = Literal["invitation", "reset", "connect"]

SUBJECTS: Final[dict[Kind, str]] = {
    "invitation": "You are invited to Postroom",
    "reset": "Choose a new password for Postroom",
    "connect": "Connect your mailbox to Postroom",
}
_WORDS: Final[dict[Kind, str]] = {
    "invitation": "{by} has invited you. Behind this link you choose your name and a password:",
    "reset": "{by} has made a link with which you choose a new password:",
    "connect": "{by} asks you to connect your mailbox. Sign in, and this link leads to the form:",
}
_ENDS: Final[dict[Kind, str]] = {
    "invitation": "It works once, within 7 days.",
    "reset": "It works once, within one day. All your sessions end when you use it.",
    "connect": "It works once, within 7 days, and only for you.",
}


def text_of(kind: Kind, by: str, name: str, url: str) -> str:
    """Return the letter's text."""
    words = _WORDS[kind].format(by=by)
    return (
        f"Hello {name},\n\n{words}\n\n{url}\n\n{_ENDS[kind]}\n\n"
        "If you do not know what this is about, you need not do anything.\n"
    )
