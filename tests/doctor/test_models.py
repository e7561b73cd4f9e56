"""What the doctor says of models whose provider is well, hangs, refuses or lists nothing."""

import json
from pathlib import Path

import pytest

from tests.doctor.looking import Look, provider_that


async def test_a_model_that_its_server_lists_is_well_and_is_asked_nothing(look: Look) -> None:
    found = await look()
    assert (found["model stub"].state, found["models"].state) == ("ok", "ok")
    assert "stub by default" in found["models"].found


@pytest.mark.parametrize(
    ("answers", "state", "words"),
    [
        (401, "failed", "refused our credentials"),
        (500, "failed", "not available"),
        (429, "failed", "limiting"),
        (404, "warning", "no list of models"),
        ("another", "warning", "stub not among them"),
        ("hang", "failed", "No answer within 2 s"),
    ],
)
async def test_a_provider_in_trouble_is_told_beside_all_else(answers: int | str, state: str, words: str, look: Look) -> None:
    async with provider_that(answers) as url:
        found = await look({"OPENAI_BASE_URL": url}, seconds=2 if answers == "hang" else 20)
    model = found["model stub"]
    assert (model.state, bool(model.advice)) == (state, True)
    assert words in model.found
    assert "canary" not in model.found
    assert found["files"].state == found["settings"].state == "ok"


async def test_the_demo_needs_no_key_and_production_is_warned_of_it(look: Look) -> None:
    demo = {"DEFAULT_LLM_MODEL": "", "OPENAI_API_KEY": "", "OPENAI_BASE_URL": "", "MODELS_FILE": "models.yaml", "ALLOW_DEMO_MODEL": "true"}
    found = await look(demo)
    assert [found[name].state for name in ("models", "model demo", "embedder")] == ["ok", "ok", "ok"]
    found = await look({"APP_ENV": "staging", "JWT_SECRET_KEY": "p7Qw9-canary-zL4mX2vB8nR5tY1kH6jD3sF0", "HASH_MEMORY_KIB": "65536"})
    assert (found["models"].state, found["settings"].state) == ("warning", "warning")
    assert "PUBLIC_URL does not begin with https://" in found["settings"].found


async def test_no_model_at_all_is_a_failure_of_its_own(look: Look) -> None:
    nothing = {"DEFAULT_LLM_MODEL": "", "OPENAI_API_KEY": "", "OPENAI_BASE_URL": "", "MODELS_FILE": "models.yaml"}
    found = await look({**nothing, "ALLOW_DEMO_MODEL": "false"})
    assert (found["models"].state, "OPENAI_API_KEY" in found["models"].found) == ("failed", True)
    assert found["database"].state == "ok"


async def test_another_provider_is_not_asked_and_models_without_a_key_are_named(look: Look, tmp_path: Path) -> None:
    models = [
        {"name": "first", "provider": "azure_openai"},
        {"name": "second", "provider": "azure_openai", "key_variable": "OTHER_API_KEY"},
    ]
    (tmp_path / "two.yaml").write_text(json.dumps({"models": models}))
    found = await look({"MODELS_FILE": str(tmp_path / "two.yaml"), "DEFAULT_LLM_MODEL": "first", "AZURE_OPENAI_API_KEY": "canary"})
    assert found["model first"].state == "skipped"
    assert "without a key here: second" in found["models"].found


async def test_an_embedder_elsewhere_is_looked_for_too(look: Look) -> None:
    async with provider_that("meaning") as url:
        found = await look({"EMBEDDING_MODEL": "meaning", "EMBEDDING_BASE_URL": url, "EMBEDDING_DIMENSIONS": "3"})
        assert found["embedder"].state == "ok"
    assert (await look())["embedder"].state == "failed"


async def test_half_a_choice_of_an_embedder_fails_by_its_variable(look: Look) -> None:
    embedder = (await look({"EMBEDDING_MODEL": "meaning"}))["embedder"]
    assert (embedder.state, "EMBEDDING_DIMENSIONS" in embedder.found) == ("failed", True)
