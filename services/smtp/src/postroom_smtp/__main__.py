"""`python -m postroom_smtp`: serve, alone or as the first of POSTROOM_SMTP_PROCESSES."""

import os
import sys
import tempfile

# prometheus_client looks for this when it is first imported.
METRICS = "PROMETHEUS_MULTIPROC_DIR"


def main() -> None:
    """Serve to the end; the arguments are those of `siblings`."""
    several = os.environ.get("POSTROOM_SMTP_PROCESSES", "1") != "1"
    if several and METRICS not in os.environ:
        with tempfile.TemporaryDirectory(prefix="postroom-smtp-") as directory:
            os.environ[METRICS] = directory
            _serve()
    else:
        _serve()


def _serve() -> None:
    from postroom_runtime.process import run
    from postroom_smtp.app import starting

    run("smtp", starting(sys.argv[1:]))


if __name__ == "__main__":
    main()
