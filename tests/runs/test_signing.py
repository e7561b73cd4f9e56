"""Secrets of webhooks: made from two halves, told once, and signing as the published protocol has it."""

from base64 import b64decode

from app.persistence.webhook_values import Seed
from app.runs.signing import Secrets, signed_headers

_KEY, _NEW_KEY = "a key of the server's, long enough", "another key of the server's, as long"


def test_the_example_of_standard_webhooks_is_signed_as_it_says() -> None:
    secret = b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed_headers([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_secret_takes_the_row_and_the_key_and_outlives_a_newer_key() -> None:
    before = Secrets([_KEY])
    seed = before.seed()
    secret = before.secret(seed)
    assert secret
    assert b64decode(before.told(seed).removeprefix("whsec_")) == secret
    assert before.secret(before.seed()) != secret
    after = Secrets([_NEW_KEY, _KEY])
    assert after.secret(seed) == secret
    assert after.seed().key_name != seed.key_name
    assert Secrets([_NEW_KEY]).secret(seed) is None
    assert _KEY not in seed.key_name


def test_without_a_key_there_are_none() -> None:
    assert not Secrets([])
    assert Secrets([]).secret(Seed(salt=b"x" * 32, key_name="x")) is None
