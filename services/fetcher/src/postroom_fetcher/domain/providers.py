"""What some providers' servers want otherwise, as data: nothing else here knows a provider's name.

Numbers are what the providers say to users of mail programs, or what their servers do.
"""

from typing import Final

import msgspec


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """One provider's ways. The defaults are any server's."""

    name: str = ""
    hosts: tuple[str, ...] = ()
    """Names of its servers, or the domains they lie in."""
    connections: int = 1_000
    """So many of ours at once, over all mailboxes and fetchers."""
    idle_seconds: float = 540.0
    """So long an IDLE lasts at most: servers may log out who says nothing for half an hour, and
    routers forget connections sooner."""
    tells: bool = True
    """Whether its IDLE can be relied on where it offers one."""
    least_minutes: int = 0
    """It refuses to be signed in to more often (RFC 2449 §6.5, LOGIN-DELAY)."""
    identify: bool = False
    """It lets nobody open a folder who has not said who he is (RFC 2971, ID)."""


_ANY: Final = Provider()
PROVIDERS: Final = (
    # 15 per account, and those of an account come from one mailbox of ours here.
    Provider(name="Gmail", hosts=("gmail.com", "googlemail.com"), connections=200),
    Provider(name="Microsoft", hosts=("office365.com", "outlook.com"), connections=200),
    # Yahoo and AOL close what comes sixth from one address, and end an IDLE after some minutes.
    Provider(
        name="Yahoo", hosts=("yahoo.com", "aol.com"), connections=5, idle_seconds=240.0
    ),
    Provider(name="iCloud", hosts=("me.com", "icloud.com"), connections=10),
    Provider(name="GMX", hosts=("gmx.net", "gmx.com", "web.de"), connections=10),
    Provider(name="T-Online", hosts=("t-online.de",), connections=5, least_minutes=5),
    # "Unsafe Login" is what they say to a SELECT without an ID before it.
    Provider(name="NetEase", hosts=("163.com", "126.com", "yeah.net"), identify=True,
             connections=5, tells=False),
    Provider(name="Tencent", hosts=("qq.com",), identify=True, connections=5),
    Provider(name="Mail.ru", hosts=("mail.ru",), connections=10),
    Provider(name="Yandex", hosts=("yandex.ru", "yandex.com"), connections=10),
)  # fmt: skip


def provider_of(host: str) -> Provider:
    """Return whose server this is; any other server has the defaults."""
    name = host.lower().rstrip(".")
    for one in PROVIDERS:
        if any(name == domain or name.endswith(f".{domain}") for domain in one.hosts):
            return one
    return _ANY


def share(limit: int, fetchers: int) -> int:
    """Return how many of `limit` connections one of so many fetchers may have: one at least."""
    return max(limit // max(fetchers, 1), 1)
