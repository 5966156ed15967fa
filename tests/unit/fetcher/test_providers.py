"""What providers want otherwise is data; the rest of the fetcher asks for no name."""

from pathlib import Path

import pytest

import postroom_fetcher
from postroom_fetcher.domain.providers import PROVIDERS, provider_of, share


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("imap.gmail.com", "Gmail"),
        ("POP.GMAIL.COM.", "Gmail"),
        ("imap.mail.yahoo.com", "Yahoo"),
        ("imap.163.com", "NetEase"),
        ("notgmail.com", ""),
        ("gmail.com.example.org", ""),
        ("mail.example.org", ""),
    ],
)
def test_a_host_belongs_to_whom_its_domain_belongs_to(host: str, name: str) -> None:
    assert provider_of(host).name == name


def test_nobody_has_two_entries() -> None:
    hosts = [host for one in PROVIDERS for host in one.hosts]
    assert len(set(hosts)) == len(hosts)
    assert all(provider_of(f"imap.{host}").name for host in hosts)


def test_no_code_names_a_provider() -> None:
    root = Path(postroom_fetcher.__file__).parent
    for path in root.rglob("*.py"):
        if path.name != "providers.py":
            text = path.read_text().lower()
            found = [host for one in PROVIDERS for host in one.hosts if host in text]
            assert not found, path


@pytest.mark.parametrize(
    ("limit", "fetchers", "each"), [(20, 1, 20), (20, 3, 6), (5, 9, 1), (1, 0, 1)]
)
def test_connections_are_shared_and_nobody_gets_none(limit: int, fetchers: int, each: int) -> None:
    assert share(limit, fetchers) == each
