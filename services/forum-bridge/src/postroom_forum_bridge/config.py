"""The forum-bridge's settings."""

import msgspec

from postroom_forum_bridge.domain.fanout import Voice
from postroom_mail.tokens import parse_keys
from postroom_runtime.errors import OperatorError
from postroom_runtime.settings import Settings


class ForumConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Read once at start."""

    database_url: str
    voice: Voice


def read(settings: Settings) -> ForumConfig:
    """Return the configuration; OperatorError names what is wrong."""
    base_url = settings.text("BASE_URL", "http://127.0.0.1:8080").rstrip("/")
    if not base_url.startswith(("http://", "https://")):
        raise OperatorError(f"POSTROOM_BASE_URL={base_url!r} must begin with http:// or https://")
    try:
        keys = parse_keys(settings.text("TOKEN_KEYS"))
    except ValueError as error:
        raise OperatorError(f"POSTROOM_TOKEN_KEYS: {error}") from error
    return ForumConfig(
        database_url=settings.text("DATABASE_FORUM_URL"), voice=Voice(keys, base_url)
    )
