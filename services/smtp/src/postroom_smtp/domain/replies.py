"""What the peer is told: codes of RFC 5321 §4.2, enhanced status codes of RFC 3463.

Law: no reply repeats what the peer sent, and none tells how we are built.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

OK: Final = 250
GO_ON: Final = 354
CHALLENGE: Final = 334
READY: Final = 220
CLOSING: Final = 421


class Reply(msgspec.Struct, frozen=True):
    """One reply. `why` names a refusal in the counters; `closes` ends the session."""

    code: int
    status: str
    """Enhanced code; empty for the greeting, EHLO, HELO and 354 (RFC 2034 §4)."""
    text: str
    why: str = ""
    closes: bool = False

    @property
    def is_error(self) -> bool:
        """Whether the peer must not try the same again."""
        return self.code >= 500  # noqa: PLR2004 - the permanent class

    @property
    def is_progress(self) -> bool:
        """Whether the command was granted."""
        return self.code < 400  # noqa: PLR2004 - below the temporary class

    def encode(self) -> bytes:
        """Return the reply as it goes over the wire; a text of several lines is continued."""
        status = f"{self.status} " if self.status else ""
        *first, last = self.text.split("\n")
        lines = [f"{self.code}-{status}{line}\r\n" for line in first]
        return "".join([*lines, f"{self.code} {status}{last}\r\n"]).encode("ascii", "replace")


class RefusalError(Exception):
    """The peer asked for what it does not get; `reply` says so."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


def greeting(hostname: str, *, lmtp: bool = False) -> Reply:
    """Return the first line; it names no version."""
    return Reply(220, "", f"{hostname} {'LMTP' if lmtp else 'ESMTP'} Postroom")


def ehlo(hostname: str, extensions: Sequence[str]) -> Reply:
    """Return the list of extensions."""
    return Reply(OK, "", "\n".join((hostname, *extensions)))


def helo(hostname: str) -> Reply:
    """Return the answer to HELO."""
    return Reply(OK, "", hostname)


def stored(transaction: str) -> Reply:
    """Return the promise: the broker has it on disk."""
    return Reply(OK, "2.0.0", f"stored as {transaction}")


def later(reference: str) -> Reply:
    """Return what is said when something of ours fails; the log has the rest under `reference`."""
    return Reply(451, "4.3.0", f"cannot store mail now, try again later (ref {reference})")


CLOSED: Final = Reply(
    CLOSING, "4.3.2", "not taking mail now, try again later", "closed", closes=True
)


def draining() -> Reply:
    """Return what sessions hear when the process ends."""
    return Reply(CLOSING, "4.3.2", "shutting down, come back soon", "draining", closes=True)


def too_many(what: str) -> Reply:
    """Return the end of a session that has had too much of something."""
    return Reply(CLOSING, "4.7.0", f"too many {what}", f"too many {what}", closes=True)


def too_slow(what: str) -> Reply:
    """Return the end of a session that keeps us waiting."""
    return Reply(CLOSING, "4.4.2", f"{what}, closing", what, closes=True)


def syntax(text: str, *, closes: bool = False) -> Reply:
    """Return the refusal of what is no command."""
    return Reply(500, "5.5.2", text, "syntax", closes)


def argument(text: str) -> Reply:
    """Return the refusal of a command's argument."""
    return Reply(501, "5.5.4", text, "syntax")


def sequence(text: str) -> Reply:
    """Return the refusal of a command at the wrong time."""
    return Reply(503, "5.5.1", text, "sequence")


def not_offered() -> Reply:
    """Return the refusal of a command that we know and do not offer."""
    return Reply(502, "5.5.1", "not offered here", "syntax")


def parameter() -> Reply:
    """Return the refusal of a parameter we did not announce (RFC 5321 §4.1.1.11)."""
    return Reply(555, "5.5.4", "a parameter is not recognised", "syntax")


def bad_address(status: str, text: str) -> Reply:
    """Return the refusal of an address that is none."""
    return Reply(553, status, text, "address")


def too_large(*, closes: bool = False) -> Reply:
    """Return the refusal of too much (RFC 1870 §6)."""
    return Reply(552, "5.3.4", "the message is larger than announced in EHLO", "size", closes)


def challenge(text: str) -> Reply:
    """Return what AUTH asks for, in base64 (RFC 4954 §4)."""
    return Reply(CHALLENGE, "", text)


DENIED: Final = Reply(554, "5.7.1", "no mail is taken from this network", "denied", closes=True)
LISTED: Final = Reply(
    554, "5.7.1", "this address is on a list of senders of spam", "listed", closes=True
)
EARLY: Final = Reply(554, "5.5.1", "wait for the greeting", "early talker", closes=True)
NO_PROXY: Final = Reply(
    421, "4.3.0", "the connection does not say whose it is", "no proxy header", closes=True
)
LMTP_ONLY: Final = Reply(500, "5.5.1", "this is LMTP: say LHLO", "syntax")


def rejected(text: str) -> Reply:
    """Return the refusal that a rule words; what cannot stand in a reply is left out."""
    plain = "".join(c for c in text if " " <= c <= "~")[:200].strip()
    return Reply(550, "5.7.1", plain or "refused by the recipient", "rule")


GOODBYE: Final = Reply(221, "2.0.0", "goodbye", closes=True)
DONE: Final = Reply(OK, "2.0.0", "done")
SENDER_OK: Final = Reply(OK, "2.1.0", "sender ok")
RECIPIENT_OK: Final = Reply(OK, "2.1.5", "recipient ok")
SEND_DATA: Final = Reply(GO_ON, "", "end with <CRLF>.<CRLF>")
CANNOT_VERIFY: Final = Reply(252, "2.0.0", "send mail and see")
START_TLS: Final = Reply(READY, "2.0.0", "go ahead")
"""Of the same code as the greeting; the session begins anew behind it (RFC 3207 §4.2)."""
TLS_ALONE: Final = Reply(
    503, "5.5.1", "STARTTLS must be the last of a group", "sequence", closes=True
)
"""RFC 2920 §3.1; what stands behind it in clear may be somebody else's (CVE-2011-0411)."""
TLS_ACTIVE: Final = Reply(503, "5.5.1", "TLS is on already", "sequence")
TLS_NEEDED: Final = Reply(538, "5.7.11", "signing in needs STARTTLS first", "auth")
SIGNED_IN: Final = Reply(235, "2.7.0", "signed in")
WRONG_PASSWORD: Final = Reply(535, "5.7.8", "login or password is wrong", "auth")
TOO_MANY_PASSWORDS: Final = Reply(421, "4.7.0", "too many wrong passwords", "auth", closes=True)
CANNOT_SIGN_IN: Final = Reply(454, "4.7.0", "cannot check passwords now, try again later", "auth")
CANCELLED: Final = Reply(501, "5.7.0", "cancelled", "auth")
NOT_BASE64: Final = Reply(501, "5.5.2", "this is not base64", "auth")
UNKNOWN_MECHANISM: Final = Reply(504, "5.5.4", "PLAIN and LOGIN are offered", "auth")
NOT_YOURS: Final = Reply(553, "5.7.1", "this sender is not who has signed in", "auth")
HELP: Final = Reply(214, "2.0.0", "see RFC 5321")
NEEDS_UTF8: Final = Reply(553, "5.6.7", "an international address needs SMTPUTF8", "address")
UNKNOWN_ADDRESS: Final = Reply(550, "5.1.1", "no such address here", "unknown address")
NOT_OURS: Final = Reply(550, "5.7.1", "relaying denied", "relaying")
NOT_IN_STEP: Final = Reply(451, "4.3.0", "not in step, try again later", "not in step")
TOO_MANY_RECIPIENTS: Final = Reply(
    452, "4.5.3", "too many recipients, send the rest separately", "recipients"
)
FULL: Final = Reply(452, "4.3.1", "no room for mail now, try again later")
BARE_LINE_END: Final = Reply(
    550, "5.5.2", "lines end with CRLF; a bare CR or LF is refused", "bare line end", closes=True
)
HEADER_TOO_LARGE: Final = Reply(552, "5.3.4", "the header is too large", "header")
LOOP: Final = Reply(554, "5.4.6", "too many hops, this looks like a mail loop", "loop")
