"""What a look at somebody's SMTP server finds."""

from typing import Literal

import msgspec

Tls = Literal["", "offered", "verified"]
"""STARTTLS: not there, there, or with a certificate that is to be believed."""


class Knock(msgspec.Struct, frozen=True):
    """What was found at the port of an SMTP server."""

    greeting: str = ""
    tls: Tls = ""
    why: str = ""
    """Why the certificate is not."""
    shut: str = ""
    """Why there was no conversation; empty: there was."""
    looked: bool = True
    """False: nobody was asked."""
