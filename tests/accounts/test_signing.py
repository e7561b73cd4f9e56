"""SigningKeys: what they sign is known again, whichever of them it was, and nothing else is."""

import base64
import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

import jwt
import pytest
from pydantic import SecretStr
from uuid_utils.compat import uuid7

from app.accounts.refresh_tokens import PREFIX, RefreshToken
from app.accounts.signing import NotSigned, SigningKeys

OLD: Final = SecretStr("old-key-of-thirty-two-bytes-or-more" * 2)
NEW: Final = SecretStr("new-key-of-thirty-two-bytes-or-more" * 2)


def _claims(**changes: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {"iss": "milepost", "aud": "here", "iat": now, "exp": now + timedelta(minutes=1), "sub": "ada", **changes}


def _read(keys: SigningKeys, token: str) -> str:
    return str(keys.read(token, "here", ["sub"])["sub"])


def _signed(key: SecretStr = NEW, headers: dict[str, Any] | None = None, algorithm: str = "HS256", **changes: Any) -> str:
    kid = jwt.get_unverified_header(SigningKeys(key).sign(_claims()))["kid"]
    return jwt.encode(_claims(**changes), key.get_secret_value(), algorithm=algorithm, headers={"kid": kid} if headers is None else headers)


def test_what_the_key_before_has_signed_is_believed_until_the_key_is_taken_away() -> None:
    before, overlap, after = SigningKeys(OLD), SigningKeys(NEW, [OLD]), SigningKeys(NEW)
    old, new = before.sign(_claims()), overlap.sign(_claims())
    assert [_read(overlap, old), _read(overlap, new), _read(after, new), _read(before, old)] == ["ada"] * 4
    for keys, token in ((after, old), (before, new)):
        with pytest.raises(NotSigned):
            _read(keys, token)


def test_servers_of_either_key_read_each_others_tokens_while_the_key_is_changed() -> None:
    """First the new key is made known to all, then it signs: no server meets a token that it does not know."""
    first, second = SigningKeys(OLD, [NEW]), SigningKeys(NEW, [OLD])
    assert [_read(first, second.sign(_claims())), _read(second, first.sign(_claims()))] == ["ada", "ada"]


def test_the_kid_names_the_key_and_is_no_part_or_plain_hash_of_it() -> None:
    kid = jwt.get_unverified_header(SigningKeys(NEW).sign(_claims()))["kid"]
    assert kid != jwt.get_unverified_header(SigningKeys(OLD).sign(_claims()))["kid"]
    assert kid not in NEW.get_secret_value()
    assert kid not in sha256(NEW.get_secret_value().encode()).hexdigest()


def test_a_token_from_before_there_were_kids_is_read() -> None:
    assert _read(SigningKeys(NEW, [OLD]), _signed(headers={})) == "ada"


def _none() -> str:
    parts = ({"alg": "none", "typ": "JWT"}, {**_claims(), "iat": 0, "exp": 2**33})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


_LATER: Final = datetime.now(UTC) + timedelta(hours=1)


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(_none(), id="no algorithm"),
        pytest.param(_signed(algorithm="HS512"), id="another algorithm"),
        pytest.param(_signed(OLD), id="a key we do not have"),
        pytest.param(_signed(OLD, headers={"kid": jwt.get_unverified_header(_signed())["kid"]}), id="another's key under our kid"),
        pytest.param(_signed(headers={"kid": "../../etc/passwd"}), id="a kid that is none"),
        pytest.param(_signed(aud="elsewhere"), id="for another audience"),
        pytest.param(_signed(aud=["here", "elsewhere"]), id="for two audiences"),
        pytest.param(_signed(iss="elsewhere"), id="of another issuer"),
        pytest.param(_signed(exp=datetime.now(UTC) - timedelta(minutes=1)), id="expired"),
        pytest.param(_signed(exp=None), id="without an end"),
        pytest.param(_signed(exp="soon"), id="with an end that is none"),
        pytest.param(_signed(iat=_LATER, exp=_LATER + timedelta(hours=1)), id="issued in the future"),
        pytest.param(_signed(nbf=_LATER, exp=_LATER + timedelta(hours=1)), id="not yet good"),
        pytest.param(_signed(sub=None), id="about nobody"),
        pytest.param(_signed(sub="x" * 5000), id="huge"),
        pytest.param(_signed()[:-2], id="cut off"),
        pytest.param(_signed() + "x", id="with something more"),
        pytest.param("", id="nothing"),
        pytest.param("....", id="dots"),
        pytest.param("é.é.é", id="not ASCII"),
    ],
)
def test_what_is_not_exactly_ours_is_refused(token: str) -> None:
    with pytest.raises(NotSigned):
        _read(SigningKeys(NEW), token)


def test_a_header_with_a_kid_of_another_type_is_refused() -> None:
    head, body, mark = _signed().split(".")
    for kid in (["x"], {"x": 1}, 7, None, True):
        head = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "typ": "JWT", "kid": kid}).encode()).decode().rstrip("=")
        with pytest.raises(NotSigned):
            _read(SigningKeys(NEW), f"{head}.{body}.{mark}")


def test_a_refresh_token_is_known_for_ours_by_either_key_and_has_32_random_bytes() -> None:
    login_id = uuid7()
    tokens = [RefreshToken.new(login_id, SigningKeys(OLD)) for _ in range(2)]
    assert tokens[0].secret != tokens[1].secret
    assert {len(token.secret) for token in tokens} == {32}
    text = str(tokens[0])
    assert text.startswith(PREFIX)
    again = RefreshToken.parse(text)
    assert again == tokens[0]
    assert [tokens[0].is_genuine(keys) for keys in (SigningKeys(OLD), SigningKeys(NEW, [OLD]), SigningKeys(NEW))] == [True, True, False]
    forged = RefreshToken(uuid7(), tokens[0].secret, tokens[0].mark)
    assert not forged.is_genuine(SigningKeys(OLD))
    assert forged.hash != tokens[0].hash


@pytest.mark.parametrize(
    "text", ["", PREFIX, PREFIX + "a" * 85, PREFIX + "a" * 87, PREFIX + "=" * 86, "a" * 103, PREFIX + "é" * 86, f"{PREFIX}{'a' * 86}\n"]
)
def test_what_has_not_the_form_of_a_refresh_token_is_none(text: str) -> None:
    assert RefreshToken.parse(text) is None


def test_only_who_has_a_refresh_token_can_read_its_successor() -> None:
    login_id, keys = uuid7(), SigningKeys(NEW)
    first, second, other = (RefreshToken.new(login_id, keys) for _ in range(3))
    hidden = first.hide(second.secret)
    assert first.hide(hidden) == second.secret
    assert other.hide(hidden) != second.secret
    assert hidden != second.secret


def test_a_mark_that_is_cut_short_is_none() -> None:
    keys = SigningKeys(NEW)
    mark = keys.mark("purpose", b"content")
    assert [keys.has_marked(mark[:length], "purpose", b"content") for length in (0, 1, 15, 16, 32)] == [False, False, False, True, True]
    assert not keys.has_marked(mark, "another purpose", b"content")
    assert not keys.has_marked(mark, "purpose", b"another content")
