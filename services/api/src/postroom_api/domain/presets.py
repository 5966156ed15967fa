"""The e-mail services that ship with Postroom; each account has its own copy to edit.

Ports and hosts are what the providers publish for mail programs.
"""

from typing import Final, Literal

import msgspec


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """One provider. SMTP is for people who set up their mail program from our page."""

    key: str
    name: str
    domains: tuple[str, ...]
    """What addresses there end with: how discovery finds it."""
    imap: str
    smtp: str
    web: str
    imap_port: int = 993
    imap_tls: Literal["none", "starttls", "implicit"] = "implicit"
    smtp_port: int = 465
    smtp_tls: Literal["none", "starttls", "implicit"] = "implicit"
    verify: bool = True
    oauth: Literal["no", "offered", "needed"] = "no"
    free: bool = False
    """Whoever connects may type the server: it is no provider but all the others."""


def _of(
    key: str, name: str, domains: str, imap: str, smtp: str, web: str, **more: int | str | bool
) -> Preset:
    plain = {"key": key, "name": name, "imap": imap, "smtp": smtp, "web": web, **more}
    return msgspec.convert({**plain, "domains": tuple(domains.split())}, type=Preset)


_STARTTLS: Final[dict[str, int | str | bool]] = {"smtp_port": 587, "smtp_tls": "starttls"}

PRESETS: Final[tuple[Preset, ...]] = (
    _of("gmail", "Gmail", "gmail.com googlemail.com",
        "imap.gmail.com", "smtp.gmail.com", "https://mail.google.com/", oauth="offered"),
    _of("microsoft", "Outlook.com / Microsoft 365",
        "outlook.com hotmail.com live.com msn.com outlook.de hotmail.de hotmail.co.uk",
        "outlook.office365.com", "smtp.office365.com", "https://outlook.office.com/",
        oauth="needed", **_STARTTLS),
    _of("yahoo", "Yahoo Mail", "yahoo.com yahoo.co.uk yahoo.de yahoo.fr ymail.com rocketmail.com",
        "imap.mail.yahoo.com", "smtp.mail.yahoo.com", "https://mail.yahoo.com/", oauth="offered"),
    _of("icloud", "iCloud Mail", "icloud.com me.com mac.com",
        "imap.mail.me.com", "smtp.mail.me.com", "https://www.icloud.com/mail/", **_STARTTLS),
    _of("aol", "AOL Mail", "aol.com aim.com aol.de",
        "imap.aol.com", "smtp.aol.com", "https://mail.aol.com/", oauth="offered"),
    _of("fastmail", "Fastmail", "fastmail.com fastmail.fm messagingengine.com",
        "imap.fastmail.com", "smtp.fastmail.com", "https://app.fastmail.com/"),
    _of("zoho", "Zoho Mail", "zoho.com zohomail.com",
        "imap.zoho.com", "smtp.zoho.com", "https://mail.zoho.com/"),
    _of("yandex", "Yandex Mail", "yandex.ru yandex.com ya.ru yandex.by yandex.kz",
        "imap.yandex.ru", "smtp.yandex.ru", "https://mail.yandex.ru/"),
    _of("mailru", "Mail.ru", "mail.ru inbox.ru list.ru bk.ru internet.ru",
        "imap.mail.ru", "smtp.mail.ru", "https://e.mail.ru/"),
    _of("gmx", "GMX", "gmx.de gmx.net gmx.at gmx.ch",
        "imap.gmx.net", "mail.gmx.net", "https://www.gmx.net/"),
    _of("webde", "WEB.DE", "web.de email.de",
        "imap.web.de", "smtp.web.de", "https://web.de/", **_STARTTLS),
    _of("tonline", "T-Online", "t-online.de magenta.de",
        "secureimap.t-online.de", "securesmtp.t-online.de", "https://email.t-online.de/"),
    _of("ionos", "IONOS", "online.de onlinehome.de",
        "imap.ionos.com", "smtp.ionos.com", "https://mail.ionos.com/"),
    _of("strato", "STRATO", "strato.de",
        "imap.strato.de", "smtp.strato.de", "https://webmail.strato.de/"),
    _of("posteo", "Posteo", "posteo.de posteo.net posteo.org posteo.eu",
        "posteo.de", "posteo.de", "https://posteo.de/"),
    _of("mailboxorg", "mailbox.org", "mailbox.org",
        "imap.mailbox.org", "smtp.mailbox.org", "https://login.mailbox.org/"),
    _of("ovh", "OVHcloud", "ovh.net ovh.com",
        "ssl0.ovh.net", "ssl0.ovh.net", "https://www.ovhcloud.com/mail/"),
    _of("gandi", "Gandi Mail", "gandi.net",
        "mail.gandi.net", "mail.gandi.net", "https://webmail.gandi.net/"),
    _of("infomaniak", "Infomaniak", "ik.me ikmail.com etik.com infomaniak.com",
        "mail.infomaniak.com", "mail.infomaniak.com", "https://mail.infomaniak.com/"),
    _of("comcast", "Comcast Xfinity", "comcast.net",
        "imap.comcast.net", "smtp.comcast.net", "https://connect.xfinity.com/"),
    _of("att", "AT&T Mail", "att.net sbcglobal.net bellsouth.net",
        "imap.mail.att.net", "smtp.mail.att.net", "https://currently.att.yahoo.com/"),
    _of("proton", "Proton Mail Bridge", "proton.me protonmail.com pm.me",
        "127.0.0.1", "127.0.0.1", "https://mail.proton.me/", verify=False,
        imap_port=1143, imap_tls="starttls", smtp_port=1025, smtp_tls="starttls"),
    _of("rambler", "Rambler", "rambler.ru lenta.ru autorambler.ru myrambler.ru ro.ru",
        "imap.rambler.ru", "smtp.rambler.ru", "https://mail.rambler.ru/"),
    _of("seznam", "Seznam Email", "seznam.cz email.cz post.cz spoluzaci.cz",
        "imap.seznam.cz", "smtp.seznam.cz", "https://email.seznam.cz/"),
    _of("wp", "WP Poczta", "wp.pl o2.pl tlen.pl",
        "imap.wp.pl", "smtp.wp.pl", "https://poczta.wp.pl/"),
    _of("other", "Other", "", "", "", "", free=True),
)  # fmt: skip
