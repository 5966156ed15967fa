from collections.abc import Iterator
from pathlib import Path

import pytest

from support.servers import Nats
from support.smtp_process import SmtpProcess


@pytest.fixture
def smtp(tmp_path: Path, nats_server: Nats) -> Iterator[SmtpProcess]:
    """The service, not started yet; stopped at the end."""
    process = SmtpProcess(tmp_path, nats_server)
    try:
        yield process
    finally:
        process.stop()
