"""How a Postroom process lives: settings, bus, outbox, health, logs. Knows nothing of mail."""

import sys

if "rich" not in sys.modules:
    # structlog loads rich, where it is installed, for tracebacks that we never print: 0.12 s of the
    # 0.2 s that each process of ours takes to have its first line.
    sys.modules["rich"] = None  # type: ignore[assignment]  # None: not to be found
    try:
        import structlog.dev  # noqa: F401 - to be loaded now
    finally:
        del sys.modules["rich"]
