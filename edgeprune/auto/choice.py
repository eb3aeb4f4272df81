"""The recipe ``auto``: what to do with one model for one core, chosen by predicted cost.

Costs are cycles per inference where the core's pipelines and caches are known, else instructions.
They come from :func:`explain` for float32 layers, dense and sparse, after the rewrite that
``compress`` would do, and from :mod:`edgeprune.prediction.cost.integers` for integer layers.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import math
from dataclasses import dataclass

from edgeprune.artifacts.model import Storage
from edgeprune.artifacts.plan import Plan, Unit
from edgeprune.auto.for_core import for_core, takes_own
from edgeprune.auto.forecast import forecast
from edgeprune.devices.boards import Cpu
from edgeprune.models.tflite import graph
from edgeprune.prediction import explain, has_sparse_kernels
from edgeprune.prediction.cost import cost_table
from edgeprune.prediction.cost.integers import int8_cost, int8_instructions
from edgeprune.quantize import obstacle
from edgeprune.recipe import Recipe
from edgeprune.sparsify.kernel_choice import OWN_PATTERN, saving
from edgeprune.sparsify.own_kernels import layers_if_int8

DOT_PRODUCT = "asimddp"
"""Linux's name for the instructions that make integer arithmetic cheap on Arm, as SDOT."""

PLAIN_INT8 = "0.7 to 2.0 of float32's instructions, by network"
"""What full-integer inference takes without dot product: on too many networks more than float32.

Source: ``python benchmarks/int8_instructions.py FOLDER``, emulated Cortex-A72: 0.69
(EfficientNetB0), 0.83
(MobileNet), 0.87 (DenseNet121), 1.00 (DS-CNN-L), 1.38 (MLPerf Tiny's DS-CNN), 2.02 (NASNetMobile).
"""

SPARSE_MARGIN = 0.9
"""Share of any other cost that sparse kernels must stay below, unless the user asked for sparsity.

Pruning costs more accuracy than int8 does, and needs more training. Source: ours.
"""

AVX_INT8 = "0.3 to 2.4 of float32's time, by network"
"""What full-integer inference takes on x86 with AVX.

Source: the same benchmark and networks, on an x86-64 with AVX-512, one thread: 0.33 and 0.48 (only
dense layers), 0.66 (EfficientNetB0), 0.79 (MobileNet), 1.04 (ResNet-8), 1.35 (DS-CNN-L), 2.15
(MLPerf Tiny's DS-CNN), 2.39 (NASNetMobile).
"""


ARM32_INT8_SHARE = 0.66
ARM32_INT8 = f"{ARM32_INT8_SHARE} of float32's instructions on ResNet-8, emulated"
"""What full-integer inference takes in tflite-runtime 2.14.0 on 32-bit Arm: 7.81 of 11.92 million.

Source: ``python benchmarks/armhf_chroot.py FOLDER``.
"""


FIRMWARE_INT8 = "firmware computes on int8, and on nothing else"
"""Why a network for a microcontroller becomes integers whatever it costs."""

UNTRAINED = "nothing is pruned: that takes a Keras model and training samples in --data"
"""Why no sparsity is looked for on a microcontroller."""


AS_THEY_COME: dict[Storage, str] = {
    "float16": "the file stores its weights as float16 already: they are left as they are",
    "sparse": "the file stores its weights sparse already: their zeros are left as they are",
    "integers": "the file is quantized already: its weights are left as they are",
}
"""Why a file is not changed that somebody made small before."""


@dataclass(frozen=True)
class _Costs:
    """Predicted cost per inference: float32 dense and sparse, and full integers the same."""

    unit: Unit
    dense: float
    sparse: float
    int8: float | None  # not predicted on cores without dot product
    layers: int  # how many would run a sparse kernel
    no_int8: str = ""  # why full integers are not possible
    own: float | None = None  # with zeros in blocks, in edgeprune's own int8 kernels


def choose(
    recipe: Recipe,
    cpu: Cpu,
    dense: bytes,
    *,
    stored: Storage = "float32",
    has_data: bool,
    is_trainable: bool = False,
) -> Recipe:
    """Completes the recipe ``auto`` for one core and one model; others stay as they are.

    So does one that says already why it was chosen. What the user fixed (``recipe.fixed``) is never
    changed.

    Args:
        recipe: The recipe as asked for.
        cpu: The board's cores.
        dense: The model as TFLite.
        stored: How the user's file stores its weights; other than float32 they are left alone.
        has_data: Whether there is data to calibrate with and to score on.
        is_trainable: Whether there is a Keras model, and data to train it on.

    Returns:
        The recipe in force; ``why`` says in one line what was chosen and why.

    Raises:
        ModelError: The file is damaged.
    """
    recipe = for_core(recipe, cpu)
    if recipe.name != "auto" or recipe.why:
        return recipe
    if stored != "float32":
        return _completed(recipe, AS_THEY_COME[stored], sparsity=0.0, mode="none")
    no_int8, _ = obstacle(graph.view(dense), "int8")
    if _fixed_mode(recipe) == "int16x8":
        why = "int16x8 as asked: XNNPACK has no kernels for 16-bit activations, sparse or dense"
        chosen = _completed(recipe, why, sparsity=0.0, pattern="unstructured")
    elif cpu.is_microcontroller:
        why = FIRMWARE_INT8 if is_trainable or not has_data else f"{FIRMWARE_INT8}; {UNTRAINED}"
        chosen = _completed(recipe, why, sparsity=0.0, pattern="kernel", mode="int8")
    elif not has_sparse_kernels(cpu):
        chosen = _without_sparse_kernels(recipe, cpu, no_int8)
    else:
        as_kernels = _completed(recipe, "", pattern="kernel")
        chosen = _by_cost(as_kernels, cpu, dense, no_int8)
        if is_trainable and chosen.prune.sparsity and cost_table(cpu) is not None:
            chosen = _allocated(chosen)
    is_integer = chosen.quantize.mode in ("int8", "int16x8")
    if has_data or not (is_integer or chosen.prune.sparsity):
        return chosen
    return dataclasses.replace(chosen, why=f"{chosen.why}; a file fit for use needs --data")


def _allocated(recipe: Recipe) -> Recipe:
    """The recipe with sparsity where it costs least accuracy, at the same predicted cost.

    Source: ``python benchmarks/allocation_curve.py``. N:M leaves no choice, and who asks for a
    sparsity gets it in every layer.
    """
    if ":" in recipe.prune.pattern or "sparsity" in recipe.fixed:
        return recipe
    table = dataclasses.replace(recipe.prune, allocation="cost_aware")
    return dataclasses.replace(recipe, prune=table)


QAT_EPOCHS = 2
"""Passes over the training data that int8 gets where it alone costs too much accuracy.

Source: ours, half of what pruning gets.
"""


def gentler(recipe: Recipe, cpu: Cpu, *, is_trainable: bool) -> Recipe | None:
    """What ``auto`` tries next where a recipe of its choice costs too much accuracy.

    In this order, as far as the user left it open: any pattern, no sparsity and int8 instead where
    the core is fast at it, int8 with quantization-aware training, weights alone stored as int8,
    float32.

    Args:
        recipe: In force.
        cpu: The board's cores.
        is_trainable: Whether there is a Keras model, and data to train it on.

    Returns:
        A recipe in force, or None where none is left that does anything.
    """
    table, quantize, training = recipe.prune, recipe.quantize, recipe.qat
    is_sparse, mode = table.sparsity > 0, quantize.mode
    is_open = {key: key not in recipe.fixed for key in ("sparsity", "pattern", "quantize")}
    is_open["quantize"] &= not cpu.is_microcontroller  # whose firmware computes on int8 alone
    if recipe.name != "auto":
        return None
    is_own = mode == "int8" and table.pattern == OWN_PATTERN  # as no other kernel has use for
    if is_sparse and is_open["pattern"] and table.pattern != "unstructured" and not is_own:
        table = dataclasses.replace(table, pattern="unstructured")
    elif is_sparse and is_open["sparsity"] and (is_open["quantize"] or mode != "none"):
        table = dataclasses.replace(table, sparsity=0.0)
        if is_open["quantize"]:
            is_fast = DOT_PRODUCT in cpu.features and has_quantizer()
            mode = "int8" if is_fast else "int8-weights"
            quantize = dataclasses.replace(quantize, mode=mode)
    elif mode == "int8" and is_trainable and training.is_noop:
        training = dataclasses.replace(training, epochs=QAT_EPOCHS)
    elif mode == "int8" and is_open["quantize"]:
        quantize = dataclasses.replace(quantize, mode="int8-weights")
        training = dataclasses.replace(training, epochs=0)
    elif mode != "none" and is_sparse and is_open["quantize"]:
        quantize = dataclasses.replace(quantize, mode="none")
        training = dataclasses.replace(training, epochs=0)
    else:
        return None
    return dataclasses.replace(recipe, prune=table, quantize=quantize, qat=training)


def _by_cost(recipe: Recipe, cpu: Cpu, dense: bytes, no_int8: str) -> Recipe:
    """The recipe, to be sparse, as what is predicted to cost least.

    Where the cost of a part is not predicted, no choice rests on that of the rest.
    """
    stored = explain(dense, cpu)
    if not stored.unpredicted:
        costs = _costs(dense, cpu, recipe, stored)
        if costs is not None and no_int8:
            costs = dataclasses.replace(costs, int8=None, own=None, no_int8=no_int8)
        return _cheapest(recipe, cpu, costs)
    kinds = ", ".join(stored.unpredicted)
    why = (
        f"what {kinds} takes depends on the data, so that no choice can be made by cost: nothing "
        "is changed"
    )
    return _completed(recipe, why, sparsity=0.0, pattern="unstructured", mode="none")


def _costs(dense: bytes, cpu: Cpu, recipe: Recipe, stored: Plan) -> _Costs | None:
    """Predictions for a float model that is pruned as a recipe says; None without a cost table."""
    before = stored.dense_cost
    plan = forecast(dense, recipe.prune, cpu).plan
    if before is None or plan.cost is None:
        return None
    layers = 0 if plan.wrong else len(plan.sparse)
    int8 = int8_cost(dense, cpu) if DOT_PRODUCT in cpu.features else None
    own = None
    if int8 is not None and takes_own(recipe.sparsify.kernels, cpu):
        saved = saving(layers_if_int8(dense), cpu, recipe.prune.sparsity)
        share = 1.0 if saved is None else saved.share_left(int8_instructions(dense, cpu))
        own = int8 * share if share < 1 else None
    return _Costs(stored.unit, before, plan.cost, int8, layers, own=own)


def _cheapest(recipe: Recipe, cpu: Cpu, costs: _Costs | None) -> Recipe:
    """The recipe, to be sparse, as what costs least: sparse, int8 or dense."""
    if costs is None:
        why = f"sparse kernels exist for {cpu.isa}; what they cost on {cpu.core} is not known"
        return _completed(recipe, why, mode="int8-weights")
    best = _best(costs, recipe)
    if best == "own" and costs.own is not None:
        why = (
            f"{recipe.prune.sparsity:.0%} sparse in blocks of {OWN_PATTERN}, int8 in edgeprune's "
            f"own kernels: {_millions(costs.dense)} to {_millions(costs.own)} {costs.unit} on "
            f"{cpu.core} (predicted); {_int8(costs)}"
        )
        return for_core(_completed(recipe, why, pattern=OWN_PATTERN, mode="int8"), cpu)
    if best == "sparse":
        why = (
            f"{recipe.prune.sparsity:.0%} sparse, pattern {recipe.prune.pattern}: "
            f"{_millions(costs.dense)} to {_millions(costs.sparse)} {costs.unit} on {cpu.core} "
            f"(predicted) with {costs.layers} sparse kernels; {_int8(costs)}"
        )
        return _completed(recipe, why, mode="int8-weights")
    rival = _rival(costs, recipe.prune.sparsity)
    if best == "int8":
        cause = " with dot product" if costs.int8 is not None else ""
        why = (
            f"int8 on {cpu.core}{cause}: {_int8_amount(costs)} instead of {_millions(costs.dense)} "
            f"{costs.unit} (predicted); {rival}"
        )
        return _completed(recipe, why, sparsity=0.0, pattern="unstructured", mode="int8")
    why = f"nothing to gain on {cpu.core} as float32: {rival}"
    if not _fixed_mode(recipe):
        why += f"; {_int8(costs)}"
    return _completed(recipe, why, sparsity=0.0, pattern="unstructured", mode="none")


def _best(costs: _Costs, recipe: Recipe) -> str:
    """The cheapest of ``sparse``, ``own``, ``int8`` and ``dense`` that the user's wishes allow."""
    mode = _fixed_mode(recipe)
    is_asked_for = "sparsity" in recipe.fixed and recipe.prune.sparsity > 0
    lead = 1 if is_asked_for else SPARSE_MARGIN
    allowed = {"dense": costs.dense * lead}
    if mode == "int8":
        allowed = {"int8": math.inf if costs.int8 is None else costs.int8 * lead}
    elif costs.layers:
        allowed["sparse"] = costs.sparse
    if not mode and costs.int8 is not None and has_quantizer():
        allowed["int8"] = costs.int8 * lead
    takes_blocks = "pattern" not in recipe.fixed or recipe.prune.pattern == OWN_PATTERN
    if "int8" in allowed and costs.own is not None and takes_blocks:
        allowed["own"] = costs.own
    return min(allowed, key=allowed.__getitem__)


def _rival(costs: _Costs, sparsity: float) -> str:
    """Why the choice is not to run sparse."""
    if not sparsity:
        return "sparsity 0 leaves nothing to run sparse"
    if not costs.layers:
        return f"at {sparsity:.0%} sparsity no layer would run sparse"
    amount = f"{_millions(costs.sparse)} {costs.unit}"
    return f"{sparsity:.0%} sparse would take {amount}, and cost accuracy"


def _without_sparse_kernels(recipe: Recipe, cpu: Cpu, no_int8: str) -> Recipe:
    is_x86 = cpu.isa == "x86_64"
    isa = f"{cpu.isa} with AVX" if is_x86 else cpu.isa
    why = f"the runtime has no sparse kernels for {isa}: pruning would not be faster"
    if takes_own(recipe.sparsify.kernels, cpu):
        why += (
            " in floats, but may be in int8, where edgeprune's own kernels pass over zeros in "
            f"blocks: --quantize int8 --pattern {OWN_PATTERN} --sparsity 0.8"
        )
    if _fixed_mode(recipe):
        return _completed(recipe, why, sparsity=0.0)
    if is_x86:
        why += f"; the file is made smaller only, as int8 arithmetic takes {AVX_INT8}"
        return _completed(recipe, why, sparsity=0.0, mode="int8-weights")
    if no_int8:
        return _completed(recipe, f"{why}; no int8: {no_int8}", sparsity=0.0, mode="none")
    if not has_quantizer():
        # Weights alone would be made float32 again at every inference: no XNNPACK keeps them.
        why += f"; int8, which takes {ARM32_INT8}, needs edgeprune[quantize]"
        return _completed(recipe, why, sparsity=0.0, mode="none")
    return _completed(recipe, f"{why}; int8 takes {ARM32_INT8}", sparsity=0.0, mode="int8")


def has_quantizer() -> bool:
    """Whether the optional package that makes full-integer models is installed."""
    return importlib.util.find_spec("litert_quantizer") is not None


EASIER = {"int8": "int8-weights", "int16x8": "int8-weights", "int8-weights": "none", "fp16": "none"}
"""What ``auto`` stores weights as where a mode turns out to be impossible."""


def easier_storage(recipe: Recipe, trouble: str) -> Recipe | None:
    """What ``auto`` tries next where a model cannot be stored as it chose.

    Args:
        recipe: In force.
        trouble: Why not, in the quantizer's words.

    Returns:
        A recipe in force, which says why; None where the user asked for the mode, or none is left.
    """
    mode = recipe.quantize.mode
    if recipe.name != "auto" or "quantize" in recipe.fixed or mode not in EASIER:
        return None
    quantize = dataclasses.replace(recipe.quantize, mode=EASIER[mode])
    training = dataclasses.replace(recipe.qat, epochs=0)
    why = f"{recipe.why}; {EASIER[mode]} instead of {mode}: {trouble}"
    return dataclasses.replace(recipe, quantize=quantize, qat=training, why=why)


def blocks_are_in_vain(recipe: Recipe) -> bool:
    """Whether ``auto`` pruned for kernels that a file gets in full integers alone, if it cannot."""
    is_own = recipe.quantize.mode == "int8" and recipe.prune.pattern == OWN_PATTERN
    is_chosen = recipe.name == "auto" and not {"quantize", "pattern"} & set(recipe.fixed)
    return is_own and is_chosen and recipe.prune.sparsity > 0


def _fixed_mode(recipe: Recipe) -> str:
    """The storage that the user asked for, or nothing."""
    return recipe.quantize.mode if "quantize" in recipe.fixed else ""


def _completed(
    recipe: Recipe,
    why: str,
    *,
    sparsity: float | None = None,
    pattern: str | None = None,
    mode: str | None = None,
) -> Recipe:
    """The recipe with new values where the user fixed none."""
    table, quantize = recipe.prune, recipe.quantize
    if sparsity is not None and "sparsity" not in recipe.fixed:
        table = dataclasses.replace(table, sparsity=sparsity)
    if pattern is not None and "pattern" not in recipe.fixed:
        table = dataclasses.replace(table, pattern=pattern)
    if mode is not None and "quantize" not in recipe.fixed:
        quantize = dataclasses.replace(quantize, mode=mode)
    return dataclasses.replace(recipe, prune=table, quantize=quantize, why=why)


def _int8(costs: _Costs) -> str:
    """What full-integer inference would take, or why there is none."""
    if costs.no_int8:
        return f"no int8: {costs.no_int8}"
    return f"int8 would take {_int8_amount(costs)}"


def _int8_amount(costs: _Costs) -> str:
    return PLAIN_INT8 if costs.int8 is None else f"some {_millions(costs.int8)}"


def _millions(cost: float) -> str:
    return f"{cost / 1e6:.1f} M" if cost >= 1e6 else f"{cost:,.0f}"
