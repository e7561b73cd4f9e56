"""What the doctor says of what a server may use beside its database."""

from pathlib import Path

from app.persistence.redis_client import reach
from tests.doctor.looking import Look
from tests.issuer import issuing
from tests.langfuse_stub import LangfuseStub
from tests.ports import held_port
from tests.smtp_server import SmtpServer
from tests.valkey_process import ValkeyProcess

_OUTSIDE = "https://chat.example.com"


async def test_what_no_setting_names_is_skipped(look: Look) -> None:
    found = await look()
    assert [found[name].state for name in ("redis", "langfuse", "mail", "oidc")] == ["skipped"] * 4


async def test_valkey_tells_its_version_and_one_that_is_frozen_or_gone_fails(look: Look, valkey: ValkeyProcess) -> None:
    well = (await look({"REDIS_URL": valkey.url}))["redis"]
    assert well.state == "ok"
    assert well.found.startswith("Valkey ")
    valkey.freeze()
    assert (await look(seconds=0.5))["redis"].state == "failed"
    valkey.kill()
    assert (await look())["redis"].found == "Redis is not answering."


async def test_a_wrong_password_of_valkey_is_told_from_silence(look: Look, tmp_path: Path) -> None:
    with ValkeyProcess(tmp_path, "--requirepass", "right") as valkey:
        refused = (await look({"REDIS_URL": valkey.url.replace("//", "//:canary@")}))["redis"]
        assert refused.found == "Redis refuses the user or the password."
        assert (await reach(valkey.url.replace("//", "//:right@"), 5)).server.startswith("Valkey ")


async def test_langfuse_is_asked_for_its_health_and_whether_it_takes_our_keys(look: Look, langfuse: LangfuseStub) -> None:
    assert (await look(langfuse.variables))["langfuse"].found == "Langfuse 4.59.0, takes our keys"
    refused = (await look({"LANGFUSE_SECRET_KEY": "sk-lf-canary"}))["langfuse"]
    assert (refused.state, refused.found) == ("failed", "Langfuse refuses our keys.")
    langfuse.api_status = 500
    assert (await look())["langfuse"].found == "The server of traces is not answering."


async def test_the_mail_server_is_greeted_and_sent_nothing(look: Look) -> None:
    async with SmtpServer() as post:
        mail = {"SMTP_URL": f"smtp+plain://127.0.0.1:{post.port}", "MAIL_FROM": "no-reply@example.com", "PUBLIC_URL": _OUTSIDE}
        assert (await look(mail))["mail"].state == "ok"
        assert (post.mails, "MAIL FROM" in " ".join(post.heard)) == ([], False)
        tls = (await look({"SMTP_URL": f"smtp://127.0.0.1:{post.port}"}))["mail"]
        assert (tls.state, "STARTTLS" in tls.found) == ("failed", True)
    assert (await look({"SMTP_URL": mail["SMTP_URL"]}))["mail"].found == "The mail server is not answering."


async def test_a_sign_in_provider_must_speak_in_its_own_name(look: Look) -> None:
    with issuing() as issuer:
        own = {"OIDC_ISSUER": issuer.url, "OIDC_CLIENT_ID": "milepost", "OIDC_NAME": "Home", "PUBLIC_URL": _OUTSIDE}
        assert (await look(own))["oidc"].found == "Home tells its addresses and keys"
        issuer.metadata = {"issuer": "https://elsewhere.example.com"}
        assert (await look())["oidc"].state == "failed"


async def test_services_that_are_all_dead_show_no_secret(look: Look) -> None:
    with held_port() as nobody:
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        found = await look(
            {
                "DATABASE_URL": f"postgresql://milepost:canary@{address}/milepost",
                "REDIS_URL": f"redis://:canary@{address}/0",
                "OPENAI_API_KEY": "sk-canary",
                "OPENAI_BASE_URL": f"http://{address}/v1",
                "EMBEDDING_MODEL": "text-embedding-3-small",
                "LANGFUSE_PUBLIC_KEY": "pk-lf-canary",
                "LANGFUSE_SECRET_KEY": "sk-lf-canary",
                "LANGFUSE_BASE_URL": f"http://{address}",
                "SMTP_URL": f"smtps://canary:canary@{address}",
                "MAIL_FROM": "no-reply@example.com",
                "PUBLIC_URL": _OUTSIDE,
                "OIDC_ISSUER": f"http://{address}",
                "OIDC_CLIENT_ID": "canary",
                "OIDC_CLIENT_SECRET": "canary",
            }
        )
    dead = ("database", "model stub", "embedder", "redis", "langfuse", "mail", "oidc")
    assert {name: found[name].state for name in dead} == dict.fromkeys(dead, "failed")
    assert "canary" not in "".join(f"{finding.found}{finding.advice}" for finding in found.values())
