import ast
from pathlib import Path

import pytest
from nets import Net

from edgeprune.devices.boards import Cpu
from edgeprune.prediction import explain
from edgeprune.prediction.xnnpack import nodes, texts

A72 = Cpu("cortex-a72", "aarch64", ())


def refusals():
    """Every refusal that is written in the source, with 7 for each number."""
    tree = ast.parse(Path(nodes.__file__).read_text(encoding="utf-8"))
    for part in ast.walk(tree):
        if isinstance(part, ast.Assign) and "refusal" in ast.unparse(part.targets[0]):
            for value in ast.walk(part.value):
                if isinstance(value, ast.JoinedStr):
                    yield "".join(
                        str(v.value) if isinstance(v, ast.Constant) else "7" for v in value.values
                    )
                    break
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield value.value
                    break


def test_the_source_has_refusals():
    assert len(list(refusals())) > 10


@pytest.mark.parametrize("refusal", sorted(set(refusals())))
def test_every_refusal_has_a_remedy_or_is_a_plain_fact(refusal):
    plain = "has weights that are computed"
    assert bool(texts.remedy_for("CONV_2D", refusal)) == (refusal != plain)


@pytest.mark.parametrize("pads", ["SAME with a stride", "padding 0,1,1,0", "padding 1,2,2,1"])
def test_padding_that_the_turn_mends_names_the_turn(pads):
    assert "turns the network" in texts.remedy_for(
        "CONV_2D", f"has {pads}; the sparse path wants ..."
    )
    assert "in training" in texts.remedy_for(
        "CONV_2D", "has padding 0,0,0,0; the sparse path wants ..."
    )


def test_reasons_that_differ_only_in_the_operator_to_blame_are_one():
    net = Net()
    x = net.input(1, 32, 32, 3)
    for _ in range(3):
        x = net.max_pool(net.conv(x, 8, sparsity=0.9))
    x = net.conv(x, 8, sparsity=0.9)
    found = explain(net.build(net.mean(x)), A72, assume_hint=True)
    (obstacle,) = (o for o in found.obstacles() if "MAX_POOL_2D" in o.reason)
    assert obstacle.text.endswith("(2 more like it)") and len(obstacle.spoilers) == 3
    assert sum(len(o.layers) for o in found.obstacles()) == len(found.layers)
    assert sum(int(line.split(" x ")[0]) for line in found.reasons()) == len(found.layers)
