"""An OpenID provider on loopback, with a key of its own, that does as a test says: the flow as it should be, or an attack on it."""

import json
import threading
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT: Final = "milepost-test"
SECRET: Final = "a secret: with/odd characters"


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass(slots=True)
class Issuer:
    """`claims` and `algorithm` are of the next tokens; `metadata` and `answer` take the place of what would be said."""

    url: str
    key: rsa.RSAPrivateKey = field(default_factory=new_key)
    signing: Any = None
    key_id: str = "one"
    algorithm: str = "RS256"
    claims: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    sends_back: dict[str, str] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        told = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "authorization_response_iss_parameter_supported": True,
        }
        return told | self.metadata

    def keys(self) -> dict[str, Any]:
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": self.key_id, "use": "sig", "alg": "RS256"}]}

    def authorize(self, asked: dict[str, str]) -> str:
        """Where a browser is sent back to, by somebody who agrees at once."""
        code = uuid4().hex
        self.codes[code] = asked
        told = {"code": code, "state": asked["state"], "iss": self.url} | self.sends_back
        return f"{asked['redirect_uri']}?{urlencode(told)}"

    def redeem(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        asked = self.codes.pop(form["code"], None)
        challenge = urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        if asked is None or challenge != asked["code_challenge"] or form["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        name, _, secret = b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        if (name, secret) != (CLIENT, "a%20secret%3A%20with%2Fodd%20characters"):
            return 401, {"error": "invalid_client"}
        return 200, {"access_token": "unused", "token_type": "Bearer", "id_token": self.token(asked["nonce"])}

    def token(self, nonce: str) -> str:
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "sub": "ada-at-home", "iat": now, "exp": now + 300, "nonce": nonce}
        claims |= {"email": "Ada@Example.com", "email_verified": True} | self.claims
        claims = {name: value for name, value in claims.items() if value is not None}
        key: Any = None if self.algorithm == "none" else self.signing or self.key
        return jwt.encode(claims, key, algorithm=self.algorithm, headers={"kid": self.key_id})


@contextmanager
def issuing() -> Iterator[Issuer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.issuer = Issuer(url=f"http://127.0.0.1:{server.server_address[1]}")  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, name="issuer", daemon=True).start()
        yield server.issuer  # type: ignore[attr-defined]
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    @property
    def issuer(self) -> Issuer:
        issuer: Issuer = self.server.issuer  # type: ignore[attr-defined]
        return issuer

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        self.issuer.asked.append(address.path)
        if address.path in self.issuer.answers:
            self._answer(*self.issuer.answers[address.path])
        elif address.path == "/authorize":
            self.send_response(302)
            self.send_header("Location", self.issuer.authorize(_first(address.query)))
            self.end_headers()
        else:
            told = self.issuer.keys() if address.path == "/keys" else self.issuer.document()
            self._answer(200, json.dumps(told).encode())

    def do_POST(self) -> None:
        self.issuer.asked.append(self.path)
        form = _first(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if self.path in self.issuer.answers:
            self._answer(*self.issuer.answers[self.path])
            return
        status, told = self.issuer.redeem(form, self.headers.get("Authorization", ""))
        self._answer(status, json.dumps(told).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the parent's name
        pass


def _first(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}
