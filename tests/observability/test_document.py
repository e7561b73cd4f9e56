"""docs/metrics.md has each metric as it is."""

import re
from typing import Final

from prometheus_client.metrics import MetricWrapperBase

from app.observability import metrics
from app.settings import MetricsSettings
from app.settings.sections import ROOT

_ROW: Final = re.compile(r"\| `(\w+)` \| (counter|gauge|histogram) \| ([^|]*) \| ([^|]*) \| [^|]* \|")
_TEXT: Final = (ROOT / "docs" / "metrics.md").read_text()


def _described(metric: MetricWrapperBase) -> tuple[str, str, tuple[str, ...], str]:
    [family] = metric.describe()
    suffix = "_total" if family.type == "counter" else ""
    return family.name + suffix, family.type, tuple(metric._labelnames), family.documentation


def test_every_metric_is_in_the_table_with_its_labels_and_its_meaning() -> None:
    ours = [_described(one) for one in vars(metrics).values() if isinstance(one, MetricWrapperBase)]
    told = [(name, kind, tuple(re.findall(r"`(\w+)`", labels)), words.strip()) for name, kind, labels, words in _ROW.findall(_TEXT)]
    assert len(told) > 70
    assert told == ours, "in the order of app/observability/metrics.py"


def test_every_metric_that_is_named_elsewhere_in_it_is_there() -> None:
    ours = {_described(one)[0] for one in vars(metrics).values() if isinstance(one, MetricWrapperBase)}
    named = {name for name in re.findall(r"\b(?:milepost|gen_ai|http_server)_\w+", _TEXT) if not name.endswith("_")}
    labels = {label for one in vars(metrics).values() if isinstance(one, MetricWrapperBase) for label in one._labelnames}
    assert named - labels - ours == set()


def test_every_setting_is_explained() -> None:
    for field in MetricsSettings.model_fields.values():
        assert f"`{field.validation_alias}`" in _TEXT
