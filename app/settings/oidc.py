"""Signing in with an account elsewhere, by OpenID Connect."""

from collections.abc import Iterator

from pydantic import Field, SecretStr

from app.settings.sections import Section, ServerSettings, WebAddress


class OidcSettings(Section):
    issuer: WebAddress = Field(
        "",
        validation_alias="OIDC_ISSUER",
        description="OpenID provider whose accounts may sign in, https://accounts.example.com say; empty is none",
    )
    client_id: str = Field("", validation_alias="OIDC_CLIENT_ID", description="What the provider calls this server")
    client_secret: SecretStr = Field(
        SecretStr(""), validation_alias="OIDC_CLIENT_SECRET", description="What this server proves itself to the provider by"
    )
    name: str = Field("", max_length=50, validation_alias="OIDC_NAME", description="What the page calls it; empty is its host")

    def faults(self, server: ServerSettings, *, is_at_home: bool) -> Iterator[str]:
        """What is missing where there is an issuer."""
        if not self.issuer:
            return
        if not self.client_id:
            yield "OIDC_CLIENT_ID: must be set where OIDC_ISSUER is."
        if not server.public_url:
            yield "PUBLIC_URL: must be set where OIDC_ISSUER is, for the provider sends people back there."
        if not is_at_home and not self.issuer.startswith("https://"):
            yield "OIDC_ISSUER: must begin with https:// outside of development."
