"""The curve of a series over a farm's nights."""

import re

from edgeprune.farm.trends.reasons import Night
from edgeprune.morning.metrics import metric_of
from edgeprune.morning.site.chart import Span, chart, seconds


def test_nights_without_a_figure_are_gaps_and_counted():
    day = 86_400.0
    span = Span([number * day for number in range(6)])
    times = [0.5 * day, 1.5 * day, 3.2 * day]  # of the nights 0, 1 and 3
    assert (span.gaps(times), span.missing(times)) == ([2], 3)
    assert (span.gaps(times[2:]), span.missing(times[2:])) == ([], 2)
    nights = [Night(1, f"1970-01-0{at}T12:00:00+00:00", 100.0 + at, "", "{}") for at in (1, 2, 4)]
    svg = chart("c0", "net on pi", metric_of("latency_us"), nights, [], span)
    (path,) = re.findall(r'class="nights" d="([^"]+)"', svg)
    assert re.sub(r"[\d. ]+", "", path) == "MLM" and svg.count("<circle") == 3
    assert "nights without a figure: 3" in svg and "highest 104.0 us" in svg


def test_of_many_nights_one_alone_is_a_dot_and_the_first_one_stands_in_the_middle():
    metric, dates = (
        metric_of("latency_us"),
        [f"2026-{k // 28 + 1:02}-{k % 28 + 1:02}" for k in range(60)],
    )
    nights = [Night(k, f"{date}T12:00:00+00:00", 100.0, "", "{}") for k, date in enumerate(dates)]
    span = Span([seconds(night.time_utc) - 3600 for night in nights])
    svg = chart("c0", "net", metric, [*nights[:50], nights[52]], [], span)
    assert svg.count("<circle") == 1
    svg = chart("c0", "net", metric, nights[:1], [], Span(span.nights[:1]))
    (dot,) = re.findall(r'cx="([^"]+)"', svg)
    (tick,) = re.findall(r'<text x="([^"]+)"[^>]*>01-01', svg)
    assert abs(float(dot) - float(tick)) < 10
