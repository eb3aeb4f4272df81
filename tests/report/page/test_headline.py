import pytest
from results import counted, processes, result_of, top1, variant

from edgeprune.report.page.headline import headline


def pair(dense=None, deployed=None, **rest):
    return result_of(
        counted("dense", 300, **(dense or {})), counted("deployed", 100, **(deployed or {})), **rest
    )


def test_an_emulated_gain_is_called_so():
    found = headline(pair(verdict="faster", speedup=3.0))
    assert found.sentence.startswith("3.00x fewer instructions (emulated), ")
    assert "Deployed executes 3.00x fewer instructions than dense." in found.facts


@pytest.mark.parametrize(
    ("verdict", "speedup", "mood"),
    [("slower", 0.5, "bad"), ("no difference shown", 1.001, "plain")],
)
def test_no_gain_is_not_dressed_up(verdict, speedup, mood):
    assert headline(pair(verdict=verdict, speedup=speedup)).mood == mood


def test_figures_that_are_not_valid_are_not_praised():
    found = headline(pair(verdict="faster", speedup=3.0, validity=("noisy", "a neighbour")))
    assert found.mood == "warning" and found.sentence.startswith(
        "Not to be relied on, since the times scatter too much: "
    )
    assert found.facts[0] == "These figures are noisy: a neighbour."


def test_wrong_outputs_outweigh_every_gain():
    found = headline(pair(verdict="faster", speedup=3.0, validity=("invalid", "0.5 off")))
    assert found.mood == "bad" and found.sentence.startswith("Do not use this model")
    assert found.facts[0] == "0.5 off." and not any("smaller" in fact for fact in found.facts)


def test_facts_name_size_accuracy_kernels_and_what_the_file_is_not_fit_for():
    found = headline(
        pair(
            {"accuracy": top1(0.9321)},
            {"accuracy": top1(0.9012), "bytes": 845_000, "profiling_only": True,
             "sparse_layers_run": 3, "sparse_layers_expected": 4},
        )
    )  # fmt: skip
    text = " ".join(found.facts)
    assert "from 16.90 MB to 845.0 kB, 20.00x smaller" in text
    assert "from 93.21% to 90.12% on 1,000 test samples: 3.09 points lower" in text
    assert "3 layers of deployed ran sparse; 4 should have" in text
    assert "fit to be measured, not to be used" in text


def test_a_single_variant_has_its_own_cost_as_headline():
    assert "200.3 us (median)" in headline(result_of(variant("deployed", processes(200)))).sentence
    one = headline(result_of(counted("deployed", 100)))
    assert one.sentence == ("100 instructions per inference (emulated), accuracy not measured.")
