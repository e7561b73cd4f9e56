"""Tokens that we did not give, or no longer stand by, through the API alone: whatever signs them, nobody gets in with one of these."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any, Final

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from app.accounts.secrets import development_secret
from tests.conftest import Server
from tests.visitor import Visitor

_HOUR: Final = 3_600


def _encoded(value: object) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def _signed(header: Mapping[str, Any], claims: object, secret: str, algorithm: str = "sha256") -> str:
    """As no library would sign it: any header with any claims."""
    begin = f"{_encoded(header)}.{_encoded(claims)}"
    return f"{begin}.{_encoded(hmac.digest(secret.encode(), begin.encode(), algorithm))}"


class Forger:
    """Knows how a good token looks, and even the key; what it makes must still fail for the one thing that is wrong with it."""

    def __init__(self, good: str, secret: str) -> None:
        self.good = good
        self.secret = secret
        self.header, self.claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in good.split(".")[:2])

    def with_claims(self, **changes: Any) -> str:
        claims = {name: value for name, value in {**self.claims, **changes}.items() if value is not ...}
        return _signed(self.header, claims, self.secret)

    def with_header(self, **changes: Any) -> str:
        return _signed({**self.header, **changes}, self.claims, self.secret)


@pytest.fixture
def forger(ada: Visitor, server: Server) -> Forger:
    good = ada.http.headers["Authorization"].removeprefix("Bearer ")
    secret = (
        server.settings.accounts.jwt_secret_key.get_secret_value()
        or development_secret(server.settings.database.data_dir).get_secret_value()
    )
    return Forger(good, secret)


async def _is_let_in(visitor: Visitor, token: str) -> bool:
    """At a route that reads the user, one that looks at an id first, and one that reads a large body before all else."""
    statuses = set()
    for method, path in (("GET", "/auth/me"), ("GET", "/sessions/0198c8a6-5d5e-7c2b-9c1e-2f6f3a1b4d10"), ("POST", "/attachments")):
        answer = await visitor.http.request(
            method, path, headers=[(b"Authorization", b"Bearer " + token.encode())], content=b"x" if method == "POST" else None
        )
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            assert (answer.json()["code"], answer.headers["www-authenticate"]) == ("not_authenticated", "Bearer")
        statuses.add(answer.status_code)
    assert httpx.codes.UNAUTHORIZED not in statuses or len(statuses) == 1
    assert httpx.codes.INTERNAL_SERVER_ERROR not in statuses
    return httpx.codes.UNAUTHORIZED not in statuses


async def test_the_forger_knows_its_trade(forger: Forger, stranger: Visitor) -> None:
    """Else every test below would prove nothing."""
    assert await _is_let_in(stranger, forger.good)
    assert await _is_let_in(stranger, forger.with_claims())
    assert await _is_let_in(stranger, forger.with_claims(jti="another"))


_LATER: Final = 4_000_000_000


_WRONG: Final[list[dict[str, Any]]] = [
    {"exp": 1_600_000_000},
    {"exp": 0},
    {"exp": -1},
    {"exp": "soon"},
    {"exp": None},
    {"exp": [_LATER]},
    {"nbf": _LATER},
    {"nbf": "later"},
    {"iat": _LATER},
    {"iat": "now"},
    {"aud": "elsewhere"},
    {"aud": ["elsewhere", "beyond"]},
    {"aud": None},
    {"aud": {"milepost": True}},
    {"iss": "elsewhere"},
    {"iss": ["milepost"]},
    {"iss": None},
    {"sub": "not-an-id"},
    {"sub": 1},
    {"sub": None},
    {"sub": "00000000-0000-0000-0000-000000000000"},
    {"sub": "' OR 1=1 --"},
    {"sub": "\ud800"},
    {"sid": "not-an-id"},
    {"sid": 7},
    {"sid": None},
    {"sid": "00000000-0000-0000-0000-000000000000"},
    *({name: ...} for name in ("exp", "iat", "sub", "sid", "jti", "iss", "aud")),
]


async def test_a_token_of_our_own_key_with_a_wrong_claim_is_refused(forger: Forger, stranger: Visitor) -> None:
    for changes in _WRONG:
        assert not await _is_let_in(stranger, forger.with_claims(**changes)), changes


async def test_a_token_that_has_just_expired_is_refused_though_it_was_good_before(forger: Forger, stranger: Visitor) -> None:
    until = int(time.time()) + 5
    authorization = {"Authorization": f"Bearer {forger.with_claims(exp=until)}"}
    assert (await stranger.http.get("/auth/me", headers=authorization)).is_success
    async with asyncio.timeout(30):
        while (await stranger.http.get("/auth/me", headers=authorization)).is_success:  # noqa: ASYNC110  # a clock, which tells nobody
            await asyncio.sleep(0.1)
    assert time.time() >= until


def _swapped(forger: Forger) -> dict[str, str]:
    """Tokens whose header says by what they are signed, or with which key, and is believed by a careless reader."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    kid = {name: forger.header[name] for name in ("kid",) if name in forger.header}
    unsigned = f"{_encoded({'alg': 'none', 'typ': 'JWT', **kid})}.{_encoded(forger.claims)}"
    return {
        "none": f"{unsigned}.",
        "none, with a signature": f"{unsigned}.{forger.good.split('.')[2]}",
        "None": f"{_encoded({**forger.header, 'alg': 'nOnE'})}.{_encoded(forger.claims)}.",
        "no alg": _signed({name: value for name, value in forger.header.items() if name != "alg"}, forger.claims, forger.secret),
        "alg of another kind": forger.with_header(alg=["HS256"]),
        "alg null": forger.with_header(alg=None),
        "HS384 with our key": _signed({**forger.header, "alg": "HS384"}, forger.claims, forger.secret, "sha384"),
        "HS512 with our key": jwt.encode(forger.claims, forger.secret.ljust(64, "x"), "HS512", headers=kid),
        "RS256 of another": jwt.encode(forger.claims, key, "RS256", headers=kid),
        "signed with nothing": _signed(forger.header, forger.claims, ""),
        "signed with a guess": _signed(forger.header, forger.claims, "secret"),
        "signed with a hash of our key": _signed(forger.header, forger.claims, hashlib.sha256(forger.secret.encode()).hexdigest()),
        "key in the header": _signed({**forger.header, "jwk": {"kty": "oct", "k": _encoded(b"k" * 32)}}, forger.claims, "k" * 32),
        "key elsewhere": _signed({**forger.header, "jku": "http://127.0.0.1:9/keys"}, forger.claims, "k" * 32),
        "key of a file": _signed({**forger.header, "kid": "../../../../dev/null"}, forger.claims, ""),
        "key of a query": _signed({**forger.header, "kid": "' UNION SELECT 'k' --"}, forger.claims, "k"),
        "critical extension": forger.with_header(crit=["b64"], b64=False),
    }


async def test_a_token_signed_by_anything_but_our_key_and_algorithm_is_refused(forger: Forger, stranger: Visitor) -> None:
    for name, token in _swapped(forger).items():
        assert not await _is_let_in(stranger, token), name


def _broken(good: str) -> dict[str, str]:
    header, claims, signature = good.split(".")
    return {
        "words": "garbage",
        "dots": "..",
        "no header": f".{claims}.{signature}",
        "no claims": f"{header}..{signature}",
        "no signature": f"{header}.{claims}.",
        "two parts": f"{header}.{claims}",
        "four parts": f"{good}.{signature}",
        "twice": f"{good}.{good}",
        "claims twice": f"{header}.{claims}.{claims}.{signature}",
        "another's claims": f"{header}.{_encoded({'sub': 'eve'})}.{signature}",
        "a bit of the signature": good[:-6] + ("AAAAAA" if good[-6:] != "AAAAAA" else "BBBBBB"),
        "cut short": good[:-10],
        "huge": f"{header}.{claims}.{signature * 200}",
        "huge claims": f"{header}.{_encoded({'sub': 'x' * 20_000})}.{signature}",
        "lists": f"{_encoded([])}.{_encoded([])}.{signature}",
        "deep": f"{header}.{_encoded(b'[' * 3_000)}.{signature}",
        "no UTF-8": f"{_encoded(b'\xff\xfe')}.{claims}.{signature}",
        "letters of elsewhere": good.replace("e", "е"),  # noqa: RUF001  # a Cyrillic one
        "a smile": "😀.😀.😀",
        "spaces within": good.replace(".", " . "),
        "two tokens": f"{good} {good}",
        "quoted": f'"{good}"',
        "NUL": f"{good}%00",
    }


async def test_a_token_that_is_not_whole_is_refused(forger: Forger, stranger: Visitor) -> None:
    for name, token in _broken(forger.good).items():
        assert not await _is_let_in(stranger, token), name


async def test_one_header_says_who_one_is(forger: Forger, ada: Visitor, stranger: Visitor) -> None:
    """Not a query, not another scheme, and not a second header."""
    for headers, query in (
        ([("Authorization", forger.good)], {}),
        ([("Authorization", f"Basic {forger.good}")], {}),
        ([("Authorization", f"Token {forger.good}")], {}),
        ([("Authorization", "Bearer no"), ("Authorization", f"Bearer {forger.good}")], {}),
        ([], {"access_token": forger.good, "token": forger.good}),
    ):
        refused = await stranger.http.get("/auth/me", headers=headers, params=query)
        assert refused.status_code == httpx.codes.UNAUTHORIZED, headers
    assert (await ada.http.get("/auth/me")).is_success
