"""Certificates made by the test itself."""

import ssl
from pathlib import Path

from postroom.self_signed import certificate, new_key


def write_pair(directory: Path, name: str) -> tuple[Path, Path]:
    """Write a certificate and its key for a name, over what is there; return both paths."""
    key = new_key()
    chain_file, key_file = directory / "chain.pem", directory / "key.pem"
    key_file.write_text(key)
    chain_file.write_text(certificate(key, name))
    return chain_file, key_file


def believing(chain: Path) -> ssl.SSLContext:
    """A client's context that believes this certificate, and its name."""
    return ssl.create_default_context(cafile=str(chain))
