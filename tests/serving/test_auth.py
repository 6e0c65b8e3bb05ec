"""Tokens: who is let in, with which keys, for which company."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import redis
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from serving.auth import Keys
from serving.errors import ApiError
from serving.jwks import KeyFile
from serving.settings import Settings, SettingsError
from tests.models.invented import QUICK
from tests.serving.api import Answer, eventually
from tests.serving.offers import SECRET, Shop, token

LINE = {"productId": "p", "quantity": 1}
KEYS = Keys(Settings(jwt_secret=SECRET))
RSA_KEYS = {kid: rsa.generate_private_key(65537, 2048) for kid in ("one", "two")}
EC_KEY = ec.generate_private_key(ec.SECP256R1())
IN_TIME = {"sub": "s", "scope": ["company:read"], "companyId": "c", "exp": time.time() + 600}


def refusal(keys: Keys, given: str) -> int | None:
    """The status that a token is refused with."""
    try:
        keys.claims(given)
    except ApiError as error:
        return error.status
    return None


def jwks(path: Path, *kids: str, ec_too: bool = False) -> Path:
    """A file of public keys."""
    rows = [{**RSAAlgorithm.to_jwk(RSA_KEYS[kid].public_key(), as_dict=True), "kid": kid, "use": "sig"} for kid in kids]
    rows += [{**ECAlgorithm.to_jwk(EC_KEY.public_key(), as_dict=True), "kid": "curve", "alg": "ES256"}] if ec_too else []
    path.write_text(json.dumps({"keys": rows}))
    return path


def unsigned(claims: dict[str, Any], header: dict[str, Any]) -> str:
    """A token without a signature."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims)]
    return ".".join([*parts, ""])


def test_the_trial_tokens_are_accepted(shop: Shop) -> None:
    """A token with the scope, of the company, is let in."""
    shop.sells({"p": "1.00"})
    assert shop.calculate(LINE).status == 200
    assert shop.put("p", {}).status == 200


@pytest.mark.parametrize(
    "header",
    [
        [],
        ["Authorization: Basic dTpw"],
        ["Authorization: Bearer"],
        ["Authorization: Bearer  "],
        ["Authorization: Bearer x"],
        ["Authorization: Bearer x.y.z"],
        ["Authorization: Bearer ..."],
        ["Authorization: Bearer \xff\xfe"],
        [f"Authorization: Bearer {'a.' * 10_000}"],
        [f"Authorization: Bearer {token('c')}", f"Authorization: Bearer {token('c')}"],
    ],
)
def test_no_token_is_401(shop: Shop, header: list[str]) -> None:
    """Without one well-formed bearer token every guarded route is 401 with WWW-Authenticate, whatever else is wrong."""
    for method, path in (("PUT", shop.path("p")), ("DELETE", shop.path("p")), ("POST", "/api/products/pricing/bulk-calculate")):
        answer = shop.api.get(path, *header, method=method, body=b"nonsense")
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.headers["content-type"] == "application/problem+json"


def test_scopes(shop: Shop) -> None:
    """Each scope stands by itself, an operator's for all; a wrong one is 403 before anything else is looked at."""
    shop.sells({"p": "1.00"})
    reads, writes = token(shop.company, "company:read"), token(shop.company, "company:write")
    assert [shop.calculate(LINE, bearer).status for bearer in (reads, writes)] == [200, 403]
    assert [shop.put("p", {}, bearer=bearer).status for bearer in (reads, writes)] == [403, 200]
    assert [shop.put("p", {}, "subscription-config", bearer).status for bearer in (reads, writes)] == [403, 200]
    assert [shop.delete("p", bearer).status for bearer in (reads, writes)] == [403, 200]
    assert shop.calculate(LINE, token(shop.company, "other:scope")).status == 403


def test_companies(shop: Shop) -> None:
    """A token speaks for its own company; an operator's for the one that it names."""
    shop.sells({"p": "1.00"})
    path, own = "/api/products/pricing/bulk-calculate", token(shop.company)
    asked = shop.path("p").partition("?")[2]
    operator = token(None, "platform:admin")

    def status(bearer: str, query: str) -> int:
        return shop.api.send("POST", f"{path}?{query}", bearer, LINE).status

    assert [status(own, ""), status(own, asked), status(own, "companyId=another")] == [200, 200, 404]
    assert [status(operator, asked), status(operator, ""), status(operator, "companyId=no-such")] == [200, 400, 404]
    assert status(own, f"{asked}&{asked}") == 400
    for claims in ({"companyId": None}, {"companyId": 7}, {"companyId": ""}, {"companyId": "x" * 201}, {"companyId": ["c"]}):
        assert status(token(None, **claims), "") == 401
    for scope in (None, "company:read", {"company:read": 1}, 7):
        assert status(token(shop.company, scope=scope), "") == 401


@pytest.mark.parametrize(
    ("claims", "due"),
    [
        ({"minutes": 0.4}, None),
        ({"minutes": -0.3}, None),
        ({"minutes": -0.7}, 401),
        ({"nbf": time.time() + 10}, None),
        ({"nbf": time.time() + 600}, 401),
        ({"exp": None}, 401),
        ({"sub": None}, 401),
        ({"exp": "soon"}, 401),
        ({"exp": 1e400}, 401),
        ({"nbf": "soon"}, 401),
        ({"aud": "elsewhere"}, 401),
        ({"iat": time.time() + 600}, 401),
    ],
)
def test_times_and_claims(claims: dict[str, Any], due: int | None) -> None:
    """exp and nbf hold, give or take thirty seconds; what is required is there and of its type."""
    minutes = claims.pop("minutes", 5)
    assert refusal(KEYS, token("c", minutes=minutes, **claims)) == due


def test_audience() -> None:
    """Where an audience is set, every token must name it."""
    keys = Keys(Settings(jwt_secret=SECRET, audience="upsell"))
    assert refusal(keys, token("c", aud=["upsell", "shop"])) is None
    assert [refusal(keys, token("c")), refusal(keys, token("c", aud="shop"))] == [401, 401]


def test_other_signatures() -> None:
    """Another secret, another algorithm, no algorithm, or a signature that was touched: 401."""
    signed = token("c")
    head, claims, signature = signed.split(".")
    forged = [
        jwt.encode(IN_TIME, "another secret, also longer than thirty-two bytes", "HS256"),
        jwt.encode(IN_TIME, SECRET * 2, "HS512"),
        jwt.encode(IN_TIME, RSA_KEYS["one"], "RS256"),
        unsigned(IN_TIME, {"alg": "none"}),
        unsigned(IN_TIME, {"alg": "HS256"}),
        unsigned(IN_TIME, {"alg": ["HS256"]}),
        unsigned(IN_TIME, {}),
        f"{head}.{claims}.{signature[:-4]}AAAA",
        f"{head}.{claims[:-4]}AAAA.{signature}",
        f"{head}.{claims}",
    ]
    assert [refusal(KEYS, each) for each in forged] == [401] * len(forged)
    assert refusal(KEYS, signed) is None


def test_without_keys_nobody_is_let_in() -> None:
    """With neither secret nor file every token is refused, an empty secret is none."""
    keys = Keys(Settings())
    assert refusal(keys, token("c")) == 401
    assert refusal(keys, unsigned(IN_TIME, {"alg": "none"})) == 401


def test_public_keys(tmp_path: Path) -> None:
    """RS256 and ES256 tokens are checked with the key of their kid; nothing else is accepted, least of all the secret."""
    keys = Keys(Settings(jwt_secret=SECRET, jwks_file=str(jwks(tmp_path / "keys.json", "one", "two", ec_too=True))))
    good = [
        jwt.encode(IN_TIME, RSA_KEYS["one"], "RS256", {"kid": "one"}),
        jwt.encode(IN_TIME, RSA_KEYS["two"], "RS256", {"kid": "two"}),
        jwt.encode(IN_TIME, EC_KEY, "ES256", {"kid": "curve"}),
    ]
    public = RSA_KEYS["one"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    confused = jwt.PyJWT()
    forged = [
        token("c"),
        jwt.encode(IN_TIME, RSA_KEYS["one"], "RS256", {"kid": "two"}),
        jwt.encode(IN_TIME, RSA_KEYS["one"], "RS256", {"kid": "three"}),
        jwt.encode(IN_TIME, RSA_KEYS["one"], "RS256"),
        jwt.encode(IN_TIME, RSA_KEYS["one"], "RS512", {"kid": "one"}),
        jwt.encode(IN_TIME, RSA_KEYS["one"], "RS256", {"kid": "curve"}),
        jwt.encode(IN_TIME, base64.b64encode(public), "HS256", {"kid": "one"}),
        confused.encode(IN_TIME, public.hex(), "HS256", {"kid": "one"}),
        unsigned(IN_TIME, {"alg": "none", "kid": "one"}),
        unsigned(IN_TIME, {"alg": "RS256", "kid": ["one"]}),
    ]
    assert [refusal(keys, each) for each in good] == [None] * len(good)
    assert [refusal(keys, each) for each in forged] == [401] * len(forged)


def test_rotation(tmp_path: Path) -> None:
    """A changed file is read with the next token; a broken or missing one leaves the earlier keys in place."""
    path = jwks(tmp_path / "keys.json", "one")
    keys = Keys(Settings(jwks_file=str(path)))
    one, two = (jwt.encode(IN_TIME, RSA_KEYS[kid], "RS256", {"kid": kid}) for kid in ("one", "two"))
    assert refusal(keys, jwt.encode(IN_TIME, RSA_KEYS["one"], "RS256")) is None, "the only key needs no name"
    assert [refusal(keys, one), refusal(keys, two)] == [None, 401]
    for at, kids in enumerate((("one", "two"), ("two",)), start=1):
        os.utime(jwks(path, *kids), (at, at))
        assert [refusal(keys, one), refusal(keys, two)] == [None if "one" in kids else 401, None]
    for broken in ("", "{", "[]", '{"keys": []}', '{"keys": 7}', '{"keys": [7, {"kty": "RSA"}, {"kty": "oct", "k": "AA"}]}'):
        path.write_text(broken)
        assert [refusal(keys, one), refusal(keys, two)] == [401, None]
    path.unlink()
    assert refusal(keys, two) is None
    os.utime(jwks(path, "one"), (9, 9))
    assert [refusal(keys, one), refusal(keys, two)] == [None, 401]


@pytest.mark.parametrize("document", [None, "", "{}", '{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'])
def test_a_file_without_keys_is_refused_at_the_start(tmp_path: Path, document: str | None) -> None:
    """No server starts with a file that could let nobody in; a symmetric key is none."""
    path = tmp_path / "keys.json"
    if document is not None:
        path.write_text(document)
    with pytest.raises(SettingsError, match="API_JWKS_FILE"):
        KeyFile(str(path))


@QUICK
@given(junk=st.text(max_size=40) | st.builds(lambda a, b: f"{a}.{b}.", st.text("eyJ01", max_size=8), st.text("eyJ01", max_size=8)))
def test_any_text_is_no_token(junk: str) -> None:
    """Whatever is sent as a token is a 401, never an exception."""
    assert refusal(KEYS, junk) == 401


@pytest.fixture
def refused(shop: Shop) -> Iterator[list[Answer]]:
    """Answers that must not tell anything; checked at the end for what they hold."""
    answers: list[Answer] = []
    yield answers
    assert all(SECRET.encode() not in answer.body for answer in answers)


def test_no_token_is_logged(shop: Shop, refused: list[Answer], client: redis.Redis) -> None:
    """Neither a token nor the secret shows in the log or in an answer."""
    shop.sells({"p": "1.00"})
    good, bad = token(shop.company), token(shop.company, minutes=-5)
    refused += [shop.calculate(LINE, bad), shop.calculate({"productId": "p", "quantity": 0}, good), shop.put("p", {"x": 1})]
    assert shop.put("p", {"tiers": [{"minQuantity": 1, "discountType": "PERCENTAGE", "discountValue": 5}]}).status == 200
    assert shop.calculate(LINE, good).status == 200
    eventually(lambda: "Bulk discount applied" in shop.api.log.read_text(), "the discount was not logged")
    log = shop.api.log.read_text()
    assert good not in log and bad not in log and SECRET not in log
    assert client.ping()
