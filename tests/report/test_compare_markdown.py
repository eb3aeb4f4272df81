import re

import pytest
from results import changed, compared, counted, processes, result_of, top1, variant

from edgeprune.report.compare_markdown import context, markdown, plain


def text(base, new, **rest):
    return markdown(("12", "out"), base, new, compared(base, new), **rest)


def emulated(count, **rest):
    return result_of(counted("dense", 9000), counted("deployed", count), **rest)


def test_instructions_stand_in_full_and_are_called_emulated():
    found = text(emulated(1_234_567), emulated(1_000_000))
    assert (
        "| deployed: instructions per inference (emulated) | 1.235 M | 1.000 M | -19.0% |" in found
    )
    assert (
        "**deployed executes 19.0% fewer instructions per inference (emulated): better**" in found
    )
    assert "A is 12, B is out." in found


def test_times_have_their_interval_and_the_caution_that_they_were_not_taken_in_turns():
    base, new = (result_of(variant("deployed", processes(us))) for us in (100, 112))
    found = text(base, new)
    assert "**deployed takes 12.0% more time: worse**" in found
    assert re.search(
        r"\+12\.0% \(95%: \+\d+\.\d to \+\d+\.\d\), p < 0\.001 \| worse \|",
        found.replace("&lt;", "<"),
    )
    assert "one after the other" in found


def test_the_tables_rows_have_as_many_cells_as_its_heading():
    energy = {"per_inference": 10.0, "idle_subtracted": True, "source": "INA226"}
    result = result_of(counted("deployed", 10, accuracy=top1(0.9), energy_uj=energy))
    rows = [line for line in text(result, result).splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 4
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {6}


def test_what_differs_beside_the_figures_is_told():
    base, new = emulated(10), emulated(10, recipe={"prune": {"sparsity": 0.5}, "name": "auto"})
    new = changed(
        new,
        {
            "model.sha256": "cd" * 32,
            "device.runtime_version": "LiteRT 2.4.0",
            "device.id": "other-pi",
            "validity": {"verdict": "noisy", "reasons": ["a neighbour"]},
        },
    )
    notes = context(base, new)
    assert notes == [
        "B is noisy: a neighbour",
        "different devices: rpi4 desk-pi and rpi4 other-pi",
        "different runtime: LiteRT 2.3.0 and LiteRT 2.4.0",
        "different model files",
        "recipe prune.sparsity: 0.8125 in A, 0.5 in B",
    ]
    assert context(base, base) == []


@pytest.mark.parametrize(
    "name", ["<script>x", "a|b", "`x`", "[x](y)", "@team", "#1", "*x*", "a\nb"]
)
def test_no_name_becomes_markup(name):
    safe = plain(name)
    assert "<" not in safe and "@" not in safe and "\n" not in safe
    assert not re.search(r"(?<!\\)[|`\[\]*]", safe)


def test_a_name_in_a_result_stays_in_its_cell():
    hostile = result_of(counted("a|b<script>", 10))
    found = text(hostile, hostile)
    assert "<script>" not in found and "a\\|b" in found


def of(name, sha256, count=9000):
    model = {"path": f"models/{name}", "sha256": sha256 * 32, "format": "keras2-h5"}
    return emulated(count, model=model)


def test_different_models_are_neither_better_nor_worse():
    found = text(of("mobilenet.h5", "ab"), of("resnet.h5", "cd", 4000))
    assert found.startswith("### mobilenet.h5 and resnet.h5 on rpi4: different models\n")
    assert "better" not in found and "worse" not in found
    assert "deployed executes 55.6% fewer instructions" in found and "not tested" in found


def test_a_later_training_of_a_model_is_judged():
    found = text(of("net.h5", "ab"), of("net.h5", "cd", 4000))
    assert ": better**" in found and "different model files" in found


def test_by_default_only_the_deployed_variant_is_shown_and_recipes_by_their_keys():
    base = emulated(9000, recipe={"name": "auto", "prune": {"sparsity": 0.5}})
    new = emulated(8000, recipe={"name": "auto", "prune": {"sparsity": 0.8}})
    short, whole = text(base, new), text(base, new, verbose=True)
    assert "| dense:" not in short and "| dense:" in whole
    assert "the recipes differ in prune.sparsity; -v shows the values" in short
    assert "recipe prune.sparsity: 0.5 in A, 0.8 in B" in whole
    assert len(short.splitlines()) <= 12


def test_accuracy_stands_in_the_headline():
    def scored(value):
        return result_of(counted("deployed", 100, accuracy=top1(value)))

    assert "accuracy (top1) -20.00 points: worse**" in text(scored(0.9), scored(0.7))
