"""Who may come in, for how long, and how the server writes to them."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from app.settings.sections import Count, Section, split_commas


def _smtp_address(url: SecretStr) -> SecretStr:
    if text := url.get_secret_value():
        _check_smtp(text)
    return url


def _check_smtp(text: str) -> None:
    """Raise ValueError, never with what stands in the address, which may hold a password."""
    try:
        address = urlsplit(text)
        whole = address.scheme in {"smtp", "smtps", "smtp+plain"} and bool(address.hostname) and address.port != 0
    except ValueError:
        whole = False
    if not whole:
        raise ValueError("must begin with smtp://, smtps:// or smtp+plain:// and name a host")
    if address.scheme == "smtp+plain" and address.password:
        raise ValueError("must not send a password by smtp+plain://, which is not encrypted")


Secrets = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(split_commas)]


class AccountSettings(Section):
    jwt_secret_key: SecretStr = Field(
        SecretStr(""),
        validation_alias="JWT_SECRET_KEY",
        description="Signs access tokens, 32 bytes or more; empty in development makes one under DATA_DIR",
    )
    jwt_previous_secret_keys: Secrets = Field(
        (),
        validation_alias="JWT_PREVIOUS_SECRET_KEYS",
        description="Keys that signed before JWT_SECRET_KEY and are still believed, separated by commas",
    )
    access_token_minutes: Count = Field(15, validation_alias="ACCESS_TOKEN_MINUTES", description="How long an access token is good")
    refresh_token_days: int = Field(
        14,
        gt=0,
        le=3650,
        validation_alias="REFRESH_TOKEN_DAYS",
        description="How long a refresh token is good; each use gives a new one",
    )
    login_days: int = Field(
        90, gt=0, le=3650, validation_alias="LOGIN_DAYS", description="How long a login lasts at the most, however often it is refreshed"
    )
    refresh_grace_seconds: float = Field(
        10,
        ge=0,
        le=300,
        allow_inf_nan=False,
        validation_alias="REFRESH_GRACE_SECONDS",
        description="How long a used refresh token, sent once more, is answered as before; later it counts as stolen",
    )
    parallel_hashes: Count = Field(
        2, le=64, validation_alias="PARALLEL_HASHES", description="Password hashes computed at once, a thread each"
    )
    hash_memory_kib: Count = Field(
        65_536,
        ge=64,
        le=4_194_304,
        validation_alias="HASH_MEMORY_KIB",
        description="Memory of a password's hash, and with it its time; old hashes are made anew at the next login",
    )
    hash_queue: Count = Field(
        100,
        le=100_000,
        validation_alias="HASH_QUEUE",
        description="Password hashes that may wait for their turn; one more is told to come back",
    )
    lockout_failures: Count = Field(
        10,
        le=1000,
        validation_alias="LOCKOUT_FAILURES",
        description="Wrong passwords for an account from one address after which the next try has to wait",
    )
    lockout_seconds: Count = Field(
        900, le=86_400, validation_alias="LOCKOUT_SECONDS", description="Longest such wait; it begins with five seconds, and doubles"
    )
    require_verified_email: bool = Field(
        False, validation_alias="REQUIRE_VERIFIED_EMAIL", description="Let nobody in who has not opened the link in the mail to them"
    )


class MailSettings(Section):
    # Secret, for it may hold a password.
    smtp_url: Annotated[SecretStr, AfterValidator(_smtp_address)] = Field(
        SecretStr(""),
        validation_alias="SMTP_URL",
        description="smtp://user:password@host:587 (STARTTLS), smtps://host:465 (TLS) or smtp+plain://host:25; empty sends no mail",
    )
    sender: str = Field("", max_length=320, validation_alias="MAIL_FROM", description="Address that mail is from")
