"""Figures in the form that Prometheus reads. Labels are words of the hub or of the operator, never of peers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from newage.telemetry.metrics import Histogram

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
_PREFIX: Final = "newage_"


class _Gathered(Collector):
    def __init__(self, figures: Iterable[Metric]) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        return self._figures


def written(figures: Iterable[Metric]) -> bytes:
    """All of them as text; takes milliseconds."""
    return generate_latest(_Gathered(figures))


def what_it_is(name: str, doc: str, labels: Mapping[str, str]) -> Metric:
    """A figure that is 1, and says something by its labels."""
    family = GaugeMetricFamily(_PREFIX + name, doc, labels=tuple(labels))
    family.add_metric(tuple(labels.values()), 1)
    return family


def now(name: str, doc: str, value: float) -> Metric:
    """How many there are."""
    return GaugeMetricFamily(_PREFIX + name, doc, value)


def now_each(name: str, doc: str, label: str, values: Mapping[str, float]) -> Metric:
    """How many there are of each kind."""
    family = GaugeMetricFamily(_PREFIX + name, doc, labels=(label,))
    for value, number in values.items():
        family.add_metric((value,), number)
    return family


def counted(name: str, doc: str, label: str, values: Mapping[str, float]) -> Metric:
    """How many there were of each kind; ``_total`` is added to the name."""
    return counted_by(name, doc, (label,), {(value,): count for value, count in values.items()})


def counted_by(name: str, doc: str, labels: Sequence[str], values: Mapping[tuple[str, ...], float]) -> Metric:
    """The same where more than one label says of which kind."""
    family = CounterMetricFamily(_PREFIX + name, doc, labels=tuple(labels))
    for value, count in values.items():
        family.add_metric(value, count)
    return family


def spread(name: str, doc: str, values: Histogram) -> Metric:
    """How often something was how large."""
    return HistogramMetricFamily(_PREFIX + name, doc, _buckets(values), values.total)


def spread_each(name: str, doc: str, label: str, values: Mapping[str, Histogram]) -> Metric:
    """How often something of each kind was how large."""
    family = HistogramMetricFamily(_PREFIX + name, doc, labels=(label,))
    for value, each in values.items():
        family.add_metric((value,), _buckets(each), each.total)
    return family


def _buckets(values: Histogram) -> list[tuple[str, float]]:
    return [("+Inf" if bound == inf else str(bound), float(count)) for bound, count in values.up_to()]
