"""Keys of domains: made, sealed for one domain and selector, and used for no other."""

import dkim
import pytest
from nacl.public import PrivateKey

from postroom_contract.documents import DkimKey, DomainDocument
from postroom_contract.mail_domains import MakeKey
from postroom_runtime.errors import RefusedError
from postroom_smtp.domain_keys import DomainKeys
from support.smtp import MemoryDirectory

SEALING = PrivateKey.generate()
MAIL = b"From: Garden <garden@ours.example>\r\nTo: x@theirs.example\r\nSubject: x\r\n\r\nhello\r\n"


async def made(
    keys: DomainKeys, domain: str = "ours.example", selector: str = "s1", algorithm: str = "rsa"
):
    return await keys.make(
        MakeKey(account="a", domain=domain, selector=selector, algorithm=algorithm)
    )  # type: ignore[arg-type]  # of the table


def signing(directory: MemoryDirectory, domain: str, *keys: DkimKey) -> None:
    directory.domains[domain] = DomainDocument(domain=domain, account="a", version=2, keys=keys)


async def test_mail_is_signed_with_each_key_that_signs() -> None:
    directory = MemoryDirectory()
    keys = DomainKeys(directory, [SEALING])
    rsa, ed = await made(keys), await made(keys, selector="s2", algorithm="ed25519")
    signing(
        directory,
        "ours.example",
        DkimKey(selector="s1", sealed=rsa.sealed),
        DkimKey(selector="s2", sealed=ed.sealed),
    )
    raw = keys.signed(MAIL, "garden+b1@ours.example")
    assert raw.endswith(MAIL)
    records = {
        b"s1._domainkey.ours.example.": rsa.record,
        b"s2._domainkey.ours.example.": ed.record,
    }
    for index in range(2):
        assert dkim.DKIM(raw).verify(idx=index, dnsfunc=lambda name, **_: records[name].encode())


async def test_the_envelope_sender_s_domain_signs_where_the_author_s_is_not_ours() -> None:
    directory = MemoryDirectory()
    keys = DomainKeys(directory, [SEALING])
    signing(directory, "ours.example", DkimKey(selector="s1", sealed=(await made(keys)).sealed))
    theirs = MAIL.replace(b"garden@ours", b"anna@theirs")
    assert keys.signed(theirs, "b+1@ours.example").startswith(b"DKIM-Signature:")
    assert keys.signed(theirs, "b+1@theirs.example") == theirs
    assert keys.signed(theirs, "") == theirs


async def test_a_key_of_another_domain_or_selector_signs_nothing_and_mail_goes_out() -> None:
    directory = MemoryDirectory()
    keys = DomainKeys(directory, [SEALING])
    stolen = await made(keys, domain="theirs.example")
    for key in (
        DkimKey(selector="s1", sealed=stolen.sealed),
        DkimKey(selector="s2", sealed=(await made(keys)).sealed),
        DkimKey(selector="s1", sealed="nonsense"),
    ):
        signing(directory, "ours.example", key)
        assert keys.signed(MAIL, "garden@ours.example") == MAIL
    signing(directory, "ours.example", DkimKey(selector="s1", sealed=(await made(keys)).sealed))
    assert DomainKeys(directory, [PrivateKey.generate()]).signed(MAIL, "") == MAIL


async def test_without_a_key_to_seal_to_none_is_made() -> None:
    with pytest.raises(RefusedError, match="POSTROOM_SMTP_KEY"):
        await made(DomainKeys(MemoryDirectory(), []))
