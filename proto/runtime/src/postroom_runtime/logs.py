"""Structured logs on standard error: one line per event, as text or JSON."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog


def _plain_line(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    level = str(event.pop("level", "info"))
    text = str(event.pop("event", ""))
    trace = event.pop("exception", None)
    pairs = " ".join(f"{key}={value}" for key, value in event.items())
    line = f"{level:<7} {text}" + (f"  {pairs}" if pairs else "")
    return f"{line}\n{trace}" if trace else line


def configure(log_format: str) -> None:
    """Set up structlog; called once by each process. `log_format`: `json` or `line`."""
    renderer: list[Any] = [structlog.processors.format_exc_info]
    if log_format == "json":
        renderer = [
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *renderer,
            structlog.processors.JSONRenderer(),
        ]
    else:
        renderer.append(_plain_line)
    structlog.configure(
        processors=[structlog.processors.add_log_level, *renderer],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(message)s"
    )
