"""Codes that change with the time (RFC 6238), and recovery codes for when the phone is gone.

Laws: a code is taken once, even within its 30 seconds; after TRIES wrong ones in a row nothing is
taken for a while.
"""

import base64
import hmac
import io
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import pyotp
import segno

STEP_SECONDS: Final = 30
DRIFT: Final = (0, -1, 1)
"""Steps beside the current one that are taken as well: clocks differ (RFC 6238 §5.2)."""
TRIES: Final = 10
BLOCKED_FOR: Final = timedelta(minutes=15)
SECRET_BYTES: Final = 20
RECOVERY_CODES: Final = 10
RECOVERY_BYTES: Final = 10


def new_secret(entropy: bytes) -> str:
    """Return a secret in base32, from SECRET_BYTES of chance."""
    return base64.b32encode(entropy).decode("ascii")


def address(secret: str, email: str, console: str) -> str:
    """Return the `otpauth:` address that an authenticator scans."""
    issuer = f"Postroom {console}" if console else "Postroom"
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=issuer)


def picture(otpauth: str) -> str:
    """Return the QR code as an SVG element without styles of its own."""
    drawing = io.BytesIO()
    segno.make(otpauth, error="m").save(
        drawing, kind="svg", xmldecl=False, svgns=True, scale=5, border=3,
        dark="#000", light="#fff", title="QR code for an authenticator", svgclass="qr",
    )  # fmt: skip
    return drawing.getvalue().decode()


def step_of(secret: str, last_step: int, code: str, now: datetime) -> int | None:
    """Return the time step whose code this is, or None: wrong, or taken before."""
    plain = code.replace(" ", "")
    current = int(now.timestamp()) // STEP_SECONDS
    for drift in DRIFT:
        step = max(current + drift, 0)
        right = pyotp.TOTP(secret).at(step * STEP_SECONDS)
        if hmac.compare_digest(right.encode(), plain.encode()) and step > last_step:
            return step
    return None


def block_after(failures: int, now: datetime) -> datetime | None:
    """Return until when nothing is taken after so many wrong codes in a row."""
    return now + BLOCKED_FOR if failures and failures % TRIES == 0 else None


def recovery_codes(entropy: Sequence[bytes]) -> list[str]:
    """Return codes like `abcd-efgh-ijkl-mnop`, one from each RECOVERY_BYTES of chance."""
    return [_grouped(base64.b32encode(one).decode("ascii").lower()) for one in entropy]


def _grouped(text: str) -> str:
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def plain_recovery_code(text: str) -> str:
    """Return what somebody typed as the code was made, whatever the case and the spaces."""
    return _grouped("".join(c for c in text.lower() if c.isalnum()))
