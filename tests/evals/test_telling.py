"""Langfuse is told of an experiment once, however often it is told, and never stops a run."""

from app.settings.tracing import TracingSettings
from evals.telling import tell_langfuse
from tests.evals.experiments import experiment, passing, result
from tests.evals.hostile import hostile
from tests.langfuse_stub import LangfuseStub
from tests.ports import held_port


def _settings(stub: LangfuseStub, **more: object) -> TracingSettings:
    return TracingSettings.model_validate(stub.variables | more)


async def test_answers_and_scores_are_told_once_however_often_one_tells_them(langfuse: LangfuseStub) -> None:
    seen = passing(100, 120)
    for _ in range(2):
        said = await tell_langfuse(seen, _settings(langfuse))
        assert said == "Langfuse knows 120 answers and 120 scores as tried-1."
    assert len({(span.trace_id, span.id) for span in langfuse.spans}) == len(langfuse.scores) == 120
    assert {span.attributes["langfuse.experiment.id"] for span in langfuse.spans} == {"tried-1"}
    assert {score["traceId"] for score in langfuse.scores.values()} == {span.trace_id for span in langfuse.spans}
    assert sum(score["value"] for score in langfuse.scores.values()) == 100


async def test_two_experiments_and_two_attempts_stay_apart(langfuse: LangfuseStub) -> None:
    twice = [result("case", {"contains": 1}, attempt=attempt) for attempt in (1, 2)]
    for name in ("one", "other"):
        await tell_langfuse(experiment(twice, name), _settings(langfuse))
    assert len({span.trace_id for span in langfuse.spans}) == len(langfuse.scores) == 4


async def test_what_was_said_leaves_only_where_it_may_and_masked(langfuse: LangfuseStub) -> None:
    seen = experiment([result("case", {"contains": 1}, text="Write to jo@example.com.")])
    await tell_langfuse(seen, _settings(langfuse))
    assert "langfuse.observation.output" not in langfuse.spans[0].attributes
    await tell_langfuse(seen, _settings(langfuse, TRACE_TEXT=True))
    assert "Write to" in langfuse.spans[1].attributes["langfuse.observation.output"]
    assert "jo@example.com" not in langfuse.spans[1].attributes["langfuse.observation.output"]


async def test_a_score_without_a_value_is_not_told_and_hostile_text_is(langfuse: LangfuseStub) -> None:
    said = await tell_langfuse(hostile(), _settings(langfuse, TRACE_TEXT=True))
    assert said == "Langfuse knows 3 answers and 3 scores as hostile-1."


async def test_whoever_cannot_tell_says_so_and_goes_on(langfuse: LangfuseStub) -> None:
    langfuse.api_status = 503
    assert await tell_langfuse(passing(1, 1), _settings(langfuse)) == "Langfuse did not take the experiment: it answered 503."
    with held_port() as held:
        away = _settings(langfuse, LANGFUSE_BASE_URL=f"http://127.0.0.1:{held.getsockname()[1]}")
        assert await tell_langfuse(passing(1, 1), away) == "Langfuse did not take the experiment: it did not answer."


async def test_without_keys_nothing_is_told_or_said() -> None:
    assert await tell_langfuse(passing(1, 1), TracingSettings.model_validate({})) == ""
