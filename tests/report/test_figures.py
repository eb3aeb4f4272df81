"""The figures of a result as text: each with its unit, rounding and name."""

import pytest
from results import changed, counted, processes, result_of, top1, typed, variant

from edgeprune.report.figures import (
    NOT_MEASURED,
    bytes_text,
    cost_text,
    count_text,
    energy_text,
    figures,
    percent_text,
    time_text,
)

PARITY = {
    "reference": "host", "max_abs_diff": 1.3e-6, "argmax_agreement": 0.9375, "samples": 16,
    "where": "rpi4",
}  # fmt: skip
ENERGY = {
    "per_inference": 12_345.0, "idle_subtracted": True, "source": "INA226",
    "co2e": {"g_per_million_inferences": 1.53, "grid_g_per_kwh": 445.0, "grid_source": "IEA"},
}  # fmt: skip
START = {
    "load_us": 5000.0, "first_us": 900.0, "model_memory_bytes": 2_500_000, "packed_bytes": 36_000,
    "processes": [
        {
            "load_ns": 5_000_000, "first_ns": 900_000, "peak_memory_bytes": 7_000_000,
            "agent_memory_bytes": 4_500_000,
        }
    ],
}  # fmt: skip


def shown(result):
    """Texts of the last variant by heading, and what is missing."""
    found, missing = figures(result)
    assert all(len(texts) == len(result.variants) for _, texts in found)
    return {heading: texts[-1] for heading, texts in found}, missing


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"), (1, "1 B"), (999, "999 B"), (1000, "1.000 kB"), (9999, "9.999 kB"),
        (9_999_500, "10.00 MB"), (12_345, "12.35 kB"), (99_995, "100.0 kB"), (999_949, "999.9 kB"),
        (999_950, "1.000 MB"), (5 * 10**9, "5.000 GB"), (7 * 10**12, "7.000 TB"),
        (8 * 10**15, "8000.0 TB"), (None, NOT_MEASURED),
    ],
)  # fmt: skip
def test_a_size_has_four_digits_and_a_decimal_unit(value, text):
    assert bytes_text(value) == text


@pytest.mark.parametrize(
    ("value_us", "text"),
    [
        (0.0, "0.000 us"), (0.25, "0.250 us"), (9.9994, "9.999 us"), (9.9995, "10.00 us"),
        (99.994, "99.99 us"), (99.995, "100.0 us"), (999.94, "999.9 us"), (999.95, "1.000 ms"),
        (999_950.0, "1.000 s"), (5e9, "5000.0 s"), (None, NOT_MEASURED),
    ],
)  # fmt: skip
def test_a_time_has_four_digits_and_the_unit_that_suits_it(value_us, text):
    assert time_text(value_us) == text


@pytest.mark.parametrize(
    ("value_uj", "text"),
    [(0.5, "0.500 uJ"), (999.94, "999.9 uJ"), (12_345.0, "12.35 mJ"), (3e6, "3.000 J")],
)
def test_an_energy_has_four_digits_and_the_unit_that_suits_it(value_uj, text):
    assert energy_text(value_uj) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"), (999, "999"), (1000, "1.000 k"), (54_396_860, "54.40 M"), (2.5e9, "2.500 G"),
        (1e12, "1.000 T"), (None, NOT_MEASURED),
    ],
)  # fmt: skip
def test_a_count_has_four_digits(count, text):
    assert count_text(count) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0.0%"), (0.00001, "0.00%"), (0.00994, "0.99%"), (0.00995, "1.0%"), (0.01, "1.0%"),
        (0.1234, "12.3%"), (1.0, "100.0%"), (-0.00123, "-0.12%"), (-0.1234, "-12.3%"),
    ],
)  # fmt: skip
def test_a_share_has_one_decimal_or_two_where_that_is_all_that_is_left(share, text):
    assert percent_text(share) == text


def test_every_figure_of_a_timed_result_stands_under_its_name():
    deployed = variant(
        "deployed", [(100.0,) * 100] * 7, bytes=36_784, sparsity=0.746, accuracy=top1(0.961, 359),
        parity=PARITY, energy_uj=ENERGY, peak_memory_bytes=7_000_000, start=START,
        sparse_layers_run=4, sparse_layers_expected=5,
    )  # fmt: skip
    found, missing = shown(result_of(variant("dense", processes(200)), deployed))
    assert found == {
        "file size": "36.78 kB",
        "sparsity": "74.6%",
        "accuracy": "top1 96.10% of 359",
        "latency, median": "100.0 us",
        "  95% interval": "100.0 us to 100.0 us",
        "latency, p90": "100.0 us",
        "latency, p99": "100.0 us",
        "energy per inference": "12.35 mJ",
        "CO2e per million inferences": "1.53 g",
        "time to load": "5.000 ms",
        "first inference": "900.0 us",
        "peak memory": "7.000 MB",
        "  above the agent's own": "2.500 MB",
        "sent as .epz": "36.00 kB",
        "sparse layers": "4 of 5 expected",
        "largest difference": "1.3e-06",
        "same top class": "93.8% of 16",
    }
    assert missing == []


def test_what_one_variant_alone_has_is_shown_and_what_none_has_is_named():
    found, missing = figures(
        result_of(variant("dense", processes(200, spread=0), energy_uj=ENERGY), variant("deployed"))
    )
    texts = dict(found)
    assert texts["latency, median"] == ["200.4 us", NOT_MEASURED]
    assert texts["  95% interval"] == ["200.4 us to 200.4 us", NOT_MEASURED]
    assert texts["CO2e per million inferences"] == ["1.53 g", NOT_MEASURED]
    assert missing == [
        "accuracy", "latency, p90", "latency, p99", "peak memory", "sparse layers",
        "largest difference", "same top class",
    ]  # fmt: skip


def test_an_older_result_misses_no_figure_that_came_later():
    _, missing = shown(result_of(variant("dense", processes(200))))
    assert "peak memory" in missing
    assert not {"time to load", "sent as .epz", "CO2e per million inferences"} & set(missing)


def test_an_emulated_result_shows_instructions_and_no_times():
    found, missing = shown(result_of(counted("dense", 1_837_255), counted("deployed", 821_499)))
    assert found["instructions per inference (emulated)"] == "821.5 k"
    assert not any("latency" in heading for heading in [*found, *missing])


def test_rejected_sessions_are_counted_beside_the_median():
    result = result_of(variant("dense", processes(200)))
    result = changed(
        result, {"variants.0.latency_us.rejected": 3, "variants.0.latency_us.ci95": None}
    )
    assert shown(result)[0]["latency, median"] == "200.3 us (3 of 10 rejected)"


def test_a_parity_without_classes_has_no_agreement():
    parity = PARITY | {"argmax_agreement": None}
    found, missing = shown(result_of(counted("dense", 1, parity=parity)))
    assert found["largest difference"] == "1.3e-06" and "same top class" in missing


def test_each_output_has_its_own_score():
    heads = [
        {"name": "kind", "metric": "top1", "value": 0.961},
        {"name": "age", "metric": "mae", "value": 2.3141},
    ]
    found, _ = shown(result_of(counted("dense", 1, accuracy=top1(0.961) | {"heads": heads})))
    assert found["accuracy"] == "kind top1 96.10%; age mae 2.314"


def test_the_cost_is_what_the_result_compares():
    timed = typed(variant("dense", processes(200)))
    emulated = typed(counted("dense", 821_499))
    assert cost_text(timed, "latency_us") == "200.3 us (median)"
    assert cost_text(emulated, "latency_us") == "latency not measured"
    assert cost_text(emulated, "instructions") == "821.5 k instructions per inference (emulated)"
