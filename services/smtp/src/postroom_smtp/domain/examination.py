"""What a domain should publish, and whether it does.

Law: what the DNS did not say is not called missing.
"""

from collections.abc import Mapping, Sequence

from postroom_contract.mail_domains import Finding, PublishedKey, Standing
from postroom_smtp.domain.knock import Knock

Answer = Sequence[str] | None
"""What was found; None: the DNS did not say."""


def mx(domain: str, hostname: str, found: Answer) -> Finding:
    """Judge the mail servers of a domain (RFC 5321 §5.1)."""
    standing, words = _judged(found, any(_same(one.split()[-1], hostname) for one in found or ()))
    if standing == "missing":
        words = "Without it, mail goes to the address of the domain itself."
    elif standing == "differs":
        words = "Mail for this domain does not come to this server."
    return Finding(
        aspect="mx", name=domain, kind="MX", standing=standing, found=tuple(found or ()),
        wanted=f"10 {hostname}.", words=words,
    )  # fmt: skip


def address(hostname: str, found: Answer) -> Finding:
    """Judge whether the server's own name leads anywhere."""
    standing, words = _judged(found, good=bool(found))
    if standing == "missing":
        words = "Nobody can connect to this server by its name (POSTROOM_SMTP_HOSTNAME)."
    return Finding(
        aspect="address", name=hostname, kind="A", standing=standing, found=tuple(found or ()),
        words=words,
    )  # fmt: skip


def ptr(hostname: str, names: Mapping[str, Answer]) -> Finding:
    """Judge the names behind the server's addresses: many refuse mail from those without."""
    unknown = any(found is None for found in names.values())
    wrong = [
        one
        for one, found in names.items()
        if found is not None and not any(_same(name, hostname) for name in found)
    ]
    shown = [f"{one}: {', '.join(found or ()) or 'no name'}" for one, found in names.items()]
    standing: Standing = "differs" if wrong else "unknown" if unknown else "good"
    if not names:
        standing = "unknown"
    words = "The DNS does not answer." if unknown else ""
    if wrong:
        words = "Many servers refuse mail from an address that does not name its server."
    return Finding(
        aspect="ptr", name=", ".join(names), kind="PTR", standing=standing, found=tuple(shown),
        wanted=f"{hostname}." if wrong else "", words=words,
    )  # fmt: skip


def spf(domain: str, texts: Answer, denied: Sequence[str], *, by_relay: bool) -> Finding:
    """Judge the record of SPF; `denied`: addresses of ours that it does not allow."""
    records = [one for one in texts or () if one.lower().startswith("v=spf1")]
    standing, words = _judged(None if texts is None else records, good=len(records) == 1)
    wanted = "v=spf1 mx ~all" if not by_relay else "v=spf1 mx include:<your smarthost> ~all"
    if standing == "missing":
        words = "Anybody may send mail in this domain's name, and some will not take yours."
    elif standing == "differs":
        words = "There is more than one record: that is as good as none."
    elif denied and not by_relay:
        standing, words = "differs", f"It does not allow this server: {', '.join(denied)}"
    elif by_relay:
        words = "Mail goes out by the smarthost: its addresses must be in it."
    return Finding(
        aspect="spf", name=domain, kind="TXT", standing=standing, found=tuple(records),
        wanted="" if standing == "good" else wanted, words=words,
    )  # fmt: skip


def dkim(domain: str, key: PublishedKey, texts: Answer) -> Finding:
    """Judge whether a key is published as it was made."""
    good = any(_tags(one).get("p", "") == _tags(key.record).get("p") for one in texts or ())
    standing, words = _judged(texts, good=good)
    if standing == "missing":
        words = "Signatures with this key are worth nothing before it is published."
    elif standing == "differs":
        words = "Another key is published under this name."
    return Finding(
        aspect="dkim", name=f"{key.selector}._domainkey.{domain}", kind="TXT", standing=standing,
        found=tuple(texts or ()), wanted=key.record, words=words,
    )  # fmt: skip


def dmarc(domain: str, texts: Answer) -> Finding:
    """Judge whether a domain says what is to become of forged mail."""
    records = [one for one in texts or () if one.startswith("v=DMARC1")]
    standing, words = _judged(None if texts is None else records, good=len(records) == 1)
    if standing == "missing":
        words = "Others do not know what to do about mail that is forged in this domain's name."
    elif standing == "differs":
        words = "There is more than one record: that is as good as none."
    return Finding(
        aspect="dmarc", name=f"_dmarc.{domain}", kind="TXT", standing=standing,
        found=tuple(records), words=words,
        wanted="" if standing == "good" else f"v=DMARC1; p=none; rua=mailto:postmaster@{domain}",
    )  # fmt: skip


def port(host: str, number: int, found: Knock) -> Finding:
    """Judge whether the server that a domain names can be talked to."""
    standing: Standing = "good"
    words = ""
    if found.shut:
        standing = "missing" if found.looked else "unknown"
        words = f"No conversation: {found.shut}."
        if found.looked:
            words += " Some providers close this port, ours or theirs, to all but their own."
    return Finding(
        aspect="port", name=host, kind=f"TCP {number}", standing=standing, words=words,
        found=(found.greeting,) if found.greeting else (),
    )  # fmt: skip


def tls(host: str, found: Knock) -> Finding:
    """Judge whether mail to a server travels unread."""
    standing: Standing = "good"
    words = ""
    if found.shut:
        standing, words = "unknown", "There was no conversation."
    elif not found.tls:
        standing = "missing"
        words = "Mail to this server travels in clear: STARTTLS is not offered."
    elif found.tls == "offered":
        standing = "differs"
        words = f"Its certificate is not to be believed ({found.why}): some will not send to it."
    return Finding(aspect="tls", name=host, kind="STARTTLS", standing=standing, words=words)


def _judged(found: Answer, good: bool) -> tuple[Standing, str]:
    if found is None:
        return "unknown", "The DNS does not answer."
    if not found:
        return "missing", ""
    return ("good", "") if good else ("differs", "")


def _same(one: str, other: str) -> bool:
    return one.lower().rstrip(".") == other.lower().rstrip(".")


def _tags(record: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in record.split(";"))
    return {name.strip(): "".join(value.split()) for name, _, value in pairs}
