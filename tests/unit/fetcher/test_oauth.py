"""Forms, answers and what is said to a mail server."""

import base64

import pytest

from postroom_contract.documents import FetchSource
from postroom_fetcher.domain import oauth
from postroom_fetcher.domain.oauth import Said, Tokens

SOURCE = FetchSource(
    host="imap.example", port=993, tls="implicit", login="an=na,b@example.org", sealed_password=""
)


def test_a_code_is_exchanged_with_its_verifier() -> None:
    form = oauth.code_form("c&1", "v", "https://us.example/back", "us", "s")
    assert form == (
        b"grant_type=authorization_code&code=c%261&redirect_uri=https%3A%2F%2Fus.example%2Fback"
        b"&code_verifier=v&client_id=us&client_secret=s"
    )
    assert b"client_secret" not in oauth.refresh_form("r", "us", "")


@pytest.mark.parametrize(
    ("status", "body", "found"),
    [
        (200, b'{"access_token":"a","refresh_token":"r","expires_in":60}', Tokens("a", "r", 60)),
        (200, b'{"access_token":"a"}', Tokens("a", "", 3600)),
        (200, b'{"access_token":"a","expires_in":"120"}', Tokens("a", "", 120)),
        (200, b'{"access_token":"a","expires_in":1e99}', Tokens("a", "", 3600)),
        (200, b'{"access_token":"a","expires_in":-5}', Tokens("a", "", 0)),
        (400, b'{"error":"invalid_grant"}', Said("invalid_grant", "invalid_grant")),
        (200, b'{"error":"x","error_description":"no\\u0007pe"}', Said("x", "no pe")),
        (401, b"{}", Said("", "401")),
    ],
)
def test_an_answer(status: int, body: bytes, found: object) -> None:
    assert oauth.answer_of(status, body) == found


def test_the_response_of_each_mechanism() -> None:
    bearer = base64.b64decode(oauth.response("OAUTHBEARER", SOURCE, "t"))
    assert bearer == (
        b"n,a=an=3Dna=2Cb@example.org,\x01host=imap.example\x01port=993\x01auth=Bearer t\x01\x01"
    )
    other = base64.b64decode(oauth.response("XOAUTH2", SOURCE, "t"))
    assert other == b"user=an=na,b@example.org\x01auth=Bearer t\x01\x01"
    with pytest.raises(ValueError, match="control character"):
        oauth.response("XOAUTH2", SOURCE, "t\x01auth=Bearer other")


def test_the_better_mechanism_is_chosen() -> None:
    assert oauth.mechanism_of(frozenset({"PLAIN", "XOAUTH2", "OAUTHBEARER"})) == "OAUTHBEARER"
    assert oauth.mechanism_of(frozenset({"XOAUTH2"})) == "XOAUTH2"
    assert oauth.mechanism_of(frozenset({"PLAIN"})) is None
