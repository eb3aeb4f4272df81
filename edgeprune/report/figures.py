"""The figures of a result as text, each with its unit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from edgeprune.history.result import Latency, Result, Start, Variant, known
from edgeprune.report.energy import co2e_text
from edgeprune.report.estimated import CYCLES, TIME, estimated_cycles, estimated_us
from edgeprune.tasks import score_text

Figure = tuple[str, list[str]]
"""A heading, and one text per variant in the result's order."""

NOT_MEASURED = "not measured"


def figures(result: Result) -> tuple[list[Figure], list[str]]:
    """Every figure that at least one variant has, and the headings of the others.

    Args:
        result: A valid result.

    Returns:
        Figures to show, and headings of figures that no variant has. Times are in neither on an
        emulated board: there they mean nothing.
    """
    cells: dict[str, Callable[[Variant], str]] = {
        "file size": lambda variant: bytes_text(variant.bytes),
        "sparsity": lambda variant: f"{variant.sparsity:.1%}",
        "accuracy": _accuracy,
    }
    if result.is_emulated:
        cells["instructions per inference (emulated)"] = _instructions
        if any(known(variant.estimated) for variant in result.variants):
            cells[TIME] = lambda variant: time_text(estimated_us(variant))
            cells[CYCLES] = lambda variant: count_text(estimated_cycles(variant))
    else:
        cells["latency, median"] = _latency
        cells["  95% interval"] = _interval
        cells["latency, p90"] = _of_latency(lambda latency: latency.p90)
        cells["latency, p99"] = _of_latency(lambda latency: latency.p99)
        cells["energy per inference"] = _energy
        if any(co2e_text(variant.energy_uj) for variant in result.variants):
            cells["CO2e per million inferences"] = lambda v: co2e_text(v.energy_uj) or NOT_MEASURED
        cells |= _start_cells(result)
    if any(known(variant.flash_bytes) for variant in result.variants):
        cells["flash"] = lambda variant: bytes_text(known(variant.flash_bytes))
        cells["RAM (arena)"] = lambda variant: bytes_text(variant.peak_memory_bytes)
    cells["sparse layers"] = _sparse_layers
    cells["largest difference"] = _difference
    cells["same top class"] = _agreement
    shown: list[Figure] = []
    missing: list[str] = []
    for heading, cell in cells.items():
        texts = [cell(variant) for variant in result.variants]
        if any(text != NOT_MEASURED for text in texts):
            shown.append((heading, texts))
        else:
            missing.append(heading.strip())
    return shown, missing


def _start_cells(result: Result) -> dict[str, Callable[[Variant], str]]:
    """Start and memory; what only newer results have is no gap of an older one."""
    cells: dict[str, Callable[[Variant], str]] = {
        "time to load": _of_start(lambda start: time_text(start.load_us)),
        "first inference": _of_start(lambda start: time_text(start.first_us)),
        "peak memory": lambda variant: bytes_text(variant.peak_memory_bytes),
        "  above the agent's own": _of_start(lambda start: bytes_text(start.model_memory_bytes)),
        "sent as .epz": _of_start(lambda start: bytes_text(start.packed_bytes)),
    }
    return {
        heading: cell
        for heading, cell in cells.items()
        if heading == "peak memory"
        or any(cell(variant) != NOT_MEASURED for variant in result.variants)
    }


def _of_latency(value: Callable[[Latency], float | None]) -> Callable[[Variant], str]:
    """A cell of one of a variant's times."""

    def cell(variant: Variant) -> str:
        return NOT_MEASURED if variant.latency_us is None else time_text(value(variant.latency_us))

    return cell


def _of_start(text: Callable[[Start], str]) -> Callable[[Variant], str]:
    """A cell of what a variant's start took."""

    def cell(variant: Variant) -> str:
        start = known(variant.start)
        return NOT_MEASURED if start is None else text(start)

    return cell


def bytes_text(value: int | None) -> str:
    """A size in decimal units, four digits.

    >>> bytes_text(999), bytes_text(16_900_000), bytes_text(None)
    ('999 B', '16.90 MB', 'not measured')
    """
    if value is None:
        return NOT_MEASURED
    if value < 1000:
        return f"{value} B"
    return _scaled(value / 1000, ("kB", "MB", "GB", "TB"))


def time_text(value_us: float | None) -> str:
    """A time given in microseconds, in the unit that suits it, four digits.

    >>> time_text(0.25), time_text(812.3), time_text(12_345.0), time_text(None)
    ('0.250 us', '812.3 us', '12.35 ms', 'not measured')
    """
    return NOT_MEASURED if value_us is None else _scaled(value_us, ("us", "ms", "s"))


def energy_text(value_uj: float) -> str:
    """An energy given in microjoules, four digits.

    >>> energy_text(12_345.0)
    '12.35 mJ'
    """
    return _scaled(value_uj, ("uJ", "mJ", "J"))


def count_text(count: float | None) -> str:
    """A count of instructions, four digits.

    >>> count_text(812), count_text(821_499), count_text(54_396_860), count_text(None)
    ('812', '821.5 k', '54.40 M', 'not measured')
    """
    if count is None:
        return NOT_MEASURED
    if count < 1000:
        return f"{count:.0f}"
    return _scaled(count / 1000, ("k", "M", "G", "T"))


def percent_text(share: float) -> str:
    """A share in percent, as everywhere: one decimal, two where that is all that is left.

    >>> percent_text(0.1234), percent_text(0.00123), percent_text(0)
    ('12.3%', '0.12%', '0.0%')
    """
    return f"{share:.2%}" if 0 < abs(share) < 0.00995 else f"{share:.1%}"


def cost_text(variant: Variant, metric: str) -> str:
    """What an inference of a variant costs, in a phrase.

    Args:
        variant: As in a valid result.
        metric: What the result compares: ``instructions`` or ``latency_us``.
    """
    if metric == "instructions":
        return f"{_instructions(variant)} instructions per inference (emulated)"
    median_us = variant.median_us
    return "latency not measured" if median_us is None else f"{time_text(median_us)} (median)"


def _scaled(value: float, units: tuple[str, ...]) -> str:
    """Four digits, in the first unit that leaves fewer than four before the point."""
    for unit in units[:-1]:
        if value < 999.95:
            return f"{_four_digits(value)} {unit}"
        value /= 1000
    return f"{_four_digits(value)} {units[-1]}"


def _four_digits(value: float) -> str:
    """``value`` with four digits, or three decimals below 1."""
    for limit, decimals in ((9.9995, 3), (99.995, 2)):
        if value < limit:
            return f"{value:.{decimals}f}"
    return f"{value:.1f}"


def _accuracy(variant: Variant) -> str:
    accuracy = variant.accuracy
    if accuracy is None:
        return NOT_MEASURED
    if accuracy.heads:
        return "; ".join(f"{head.name} {metric_and_score(head)}" for head in accuracy.heads)
    return f"{metric_and_score(accuracy)} of {accuracy.samples}"


class _Score(Protocol):
    """A score, in a result or of a stage."""

    @property
    def metric(self) -> str:
        """What it counts."""

    @property
    def value(self) -> float:
        """The score."""


def metric_and_score(score: _Score) -> str:
    """A score behind the name of its metric.

    >>> from edgeprune.history.result import HeadScore
    >>> metric_and_score(HeadScore(name="age", metric="mae", value=2.3141))
    'mae 2.314'
    """
    return f"{score.metric} {score_text(score.metric, score.value)}"


def _latency(variant: Variant) -> str:
    latency = variant.latency_us
    if latency is None:
        return NOT_MEASURED
    rejected = latency.rejected
    mark = f" ({rejected} of {latency.sessions} rejected)" if rejected else ""
    return time_text(latency.median) + mark


def _interval(variant: Variant) -> str:
    latency = variant.latency_us
    if latency is None or latency.ci95 is None:
        return NOT_MEASURED
    return " to ".join(time_text(end) for end in latency.ci95)


def _instructions(variant: Variant) -> str:
    return count_text(variant.instruction_count)


def _energy(variant: Variant) -> str:
    energy = variant.energy_uj
    return NOT_MEASURED if energy is None else energy_text(energy.per_inference)


def _sparse_layers(variant: Variant) -> str:
    if variant.sparse_layers_run is None:
        return NOT_MEASURED
    return f"{variant.sparse_layers_run} of {variant.sparse_layers_expected} expected"


def _difference(variant: Variant) -> str:
    parity = variant.parity
    return NOT_MEASURED if parity is None else f"{parity.max_abs_diff:.2g}"


def _agreement(variant: Variant) -> str:
    parity = variant.parity
    if parity is None or parity.argmax_agreement is None:
        return NOT_MEASURED
    return f"{parity.argmax_agreement:.1%} of {parity.samples}"
