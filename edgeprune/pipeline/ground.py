"""What a search stands on: the model, its data, and what may be done to it for which boards."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgeprune.artifacts.dataset import Dataset
from edgeprune.artifacts.model import Loaded
from edgeprune.auto.candidates import Candidate
from edgeprune.auto.choice import has_quantizer
from edgeprune.auto.engine import Outcome
from edgeprune.auto.goal import Cost
from edgeprune.auto.moves import Shape
from edgeprune.auto.options import MACS, SPARSITIES, Options
from edgeprune.devices.boards import MICROCONTROLLER, Cpu, load_board
from edgeprune.errors import EdgepruneError, ModelError, VerifyError
from edgeprune.models.tflite import graph
from edgeprune.pipeline import chain
from edgeprune.pipeline.board_costs import BoardCosts, Limits
from edgeprune.pipeline.chain import Chain, epoch_seconds, epochs_for, without_channels
from edgeprune.pipeline.choosing import Judge
from edgeprune.pipeline.lab import Bench, KerasLab
from edgeprune.pipeline.planned import room_for
from edgeprune.pipeline.request import Request
from edgeprune.pipeline.timed_here import TimedHere, can_time
from edgeprune.pipeline.users_data import calibration_samples
from edgeprune.quantize import obstacle, quantize
from edgeprune.recipe import Recipe
from edgeprune.sparsify.kernel_choice import OWN_PATTERN
from edgeprune.tasks import amount_text
from edgeprune.training.context import StageContext

QAT_SHARE = 4
"""Moves are as many times longer than training with rounding. Source: ours."""

EQUAL = 0.005
"""A speed that differs by less is told as equal. Source: ours."""

SMALLER_MODES = ("int8-weights", "fp16")
"""Ways to store a float32 network in fewer bytes, the smallest first."""


@dataclass(frozen=True)
class Prepared:
    """A model and its data, read once.

    Attributes:
        loaded: The user's model.
        dense: It, as float TFLite.
        choosing: Data whose test samples choose.
        cpus: The cores of each board.
        reported: Data whose test samples see what would be taken as well; None where there are no
            others than those that choose.
    """

    loaded: Loaded
    dense: bytes
    choosing: Dataset
    cpus: Mapping[str, Cpu]
    reported: Dataset | None = None


class Ground:
    """What one search stands on.

    Args:
        request: What the user asked for.
        recipe: In force.
        prepared: The model and its data.
        context: For the stages.
        budget_s: Time for all.
        pace: As an earlier run of the same search found it; None finds it out.
        timed: What earlier runs of it timed on this machine.

    Attributes:
        lab: Trains and judges.
        options: What may be done.
        dense_costs: What the user's model takes as it is, by board.
        chain: Makes recipes.
        pace: Epochs of one training, of the first one, and seconds of an epoch.
        timed: What was timed on this machine, by a network's structure; grows.

    Raises:
        ModelError: The model cannot be judged on the data.
    """

    def __init__(
        self,
        request: Request,
        recipe: Recipe,
        prepared: Prepared,
        context: StageContext,
        budget_s: float,
        pace: tuple[int, int, float] | None = None,
        timed: Mapping[str, float] | None = None,
    ) -> None:
        self._recipe, self._prepared, self._request = recipe, prepared, request
        self._judge = Judge(prepared.choosing, prepared.dense)
        self.chain = Chain(context, recipe, {cpu.core: cpu for cpu in prepared.cpus.values()})
        self._skeletons: dict[float, bytes] = {1.0: prepared.dense}
        self.timed = dict(timed or {})
        self._costs = {name: self._costs_of(name, cpu) for name, cpu in prepared.cpus.items()}
        calibration = calibration_samples(context.data, recipe.quantize.calibration_samples)
        self._calibration = calibration
        self.dense_costs = {name: self._dense_cost(costs) for name, costs in self._costs.items()}
        self.pace = pace or self._epochs(context.data, budget_s)
        epochs, tune_epochs, epoch_s = self.pace
        self.options = self._options(epochs, tune_epochs)
        bench = Bench(
            prepared.loaded,
            prepared.dense,
            self._judge,
            self._costs,
            self.options.modes,
            recipe,
            calibration,
            None if prepared.reported is None else Judge(prepared.reported, prepared.dense),
        )
        self.lab = KerasLab(bench, self.chain, epoch_s)

    def text(self, one: Candidate) -> str:
        """A candidate in words, with what it lost and what it takes."""
        words = [f"{one.text()}: {self._lost_text(one.lost)}"]
        if one.second is not None:
            words.append(f"{self._lost_text(one.second.lost)} on the reported samples")
        for board, cost in one.costs.items():
            dense = self.dense_costs[board]
            where = f" on {board}" if len(self._costs) > 1 else ""
            if cost.excess:
                words.append(f"too large{where}: {cost.excess}")
            elif cost.time and dense.time:
                how = self._costs[board].how
                words.append(f"{_speed_text(dense.time / cost.time)}{where} ({how})")
        return ", ".join(words)

    def recipe(self, one: Candidate, limit: float, why: str) -> Recipe:
        """The recipe that makes a candidate again, stored in few bytes.

        Args:
            one: The candidate.
            limit: What it may lose.
            why: Why it was chosen, in one line.
        """
        mode = self._storage(one, limit, list(self._prepared.cpus))
        return self.chain.recipe_of(one.node, mode, why, one.kept_layers)

    def recipe_for(self, board: str, one: Candidate, limit: float, why: str) -> Recipe:
        """The same for one of the boards."""
        mode = self._storage(one, limit, [board])
        return self.chain.recipe_of(one.node, mode, why, one.kept_layers)

    def nothing(self, closest: Candidate | None, outcome: Outcome) -> str:
        """Why the dense network stays, in one line.

        Args:
            closest: What lost least of all that was judged and that is cheaper.
            outcome: What came of the search.
        """
        if closest is None and self.lacks_time:
            return "no training fits into the time (--budget): the model stays as it is"
        if closest is None and any(one.node.is_trained for one in outcome.judged.candidates):
            return f"nothing cheaper was trained, and {outcome.ended}: the model stays as it is"
        if closest is None:
            return "nothing else could be made of the model: it stays as it is"
        return f"nothing cheaper keeps the limit: the closest is {self.text(closest)}"

    @property
    def lacks_time(self) -> bool:
        """Whether the model could be trained, and time is too short even for one training."""
        can_train = self._prepared.loaded.keras is not None
        return can_train and self._prepared.choosing.x_train is not None and not self.pace[0]

    def _storage(self, one: Candidate, limit: float, boards: Sequence[str]) -> str:
        """How a candidate is stored: a float32 one in fewer bytes, where that keeps the limit."""
        if "quantize" in self._recipe.fixed:
            return self._recipe.quantize.mode
        if one.mode != "none":
            return one.mode
        cpus = [self._prepared.cpus[board] for board in boards]
        if all(cpu.is_microcontroller for cpu in cpus):
            return "int8"
        for mode in SMALLER_MODES:
            with contextlib.suppress(EdgepruneError):  # then it is not stored so
                if self._stores(mode, cpus) and self.lab.judge(one.node, mode).holds(limit):
                    return mode
        return "none"

    def check_fits(self) -> None:
        """Refuses a model of which nothing small enough for a board can be made.

        Raises:
            ModelError: Even the smallest network that would be tried does not fit into the board.
            VerifyError: It takes more than the user allows.
        """
        options = self.options
        for board in options.must_fit if self._request.must_fit else ():
            core = options.cores[board]
            pattern = options.patterns.get(core, ("",))[0]
            sparsity = SPARSITIES[-1] if pattern else 0.0
            macs = MACS[-1] if options.removes_channels else 1.0
            smallest = Shape(macs, sparsity, core if pattern else "", pattern)
            cost = self.lab.forecast(smallest, options.modes[board][0], board)
            if cost is not None and cost.excess:
                raise self.too_large(board)

    def too_large(self, board: str) -> ModelError | VerifyError:
        """Why nothing fits: by a microcontroller's own limit, or by the user's."""
        excess = self.dense_costs[board].excess
        if "--max-" in excess:
            return VerifyError(f"nothing small enough was found: {excess}: allow more")
        return ModelError(
            f"{board} cannot run the model, and nothing small enough was found: {excess}: use "
            "fewer channels or a smaller input"
        )

    def int8_lines(self) -> list[str]:
        """What decided whether full integers are tried, where that is for the search to decide."""
        if "quantize" in self._recipe.fixed or not self._can_int8:
            return []
        texts = [one.int8_text() for one in self._costs.values() if not one.is_firmware]
        return [text for text in dict.fromkeys(texts) if text]

    def lines(self, outcome: Outcome) -> tuple[str, ...]:
        """What the user should know of a search."""
        count = len({one.node for one in outcome.judged.candidates if one.node.moves})
        tried = f"{count} trained networks were judged; the search ended because {outcome.ended}"
        return (tried, *self.better(outcome), *self.int8_lines(), *outcome.failed)

    def better(self, outcome: Outcome) -> tuple[str, ...]:
        """A line where the model itself was trained further, and is clearly better then."""
        best = outcome.judged.clearly_better()
        if best is None:
            return ()
        how = f"epochs = {best.node.epochs}, learning_rate = {chain.LEARNING_RATE:g}"
        return (
            f"training alone helps: the model as it is, trained further, is "
            f"{self._lost_text(best.lost)} on the samples that choose; it is no cheaper and so not "
            f"taken: a recipe with [[steps]] and [steps.tune] ({how}) makes it",
        )

    def _lost_text(self, lost: float) -> str:
        task = self._prepared.choosing.task
        if task is None or not math.isfinite(lost):
            return "lost all"
        amount = amount_text(task.judged[0].metric, abs(lost))
        return f"{amount} {'worse' if lost > 0 else 'better'}"

    def _stores(self, mode: str, cpus: Sequence[Cpu]) -> bool:
        # Without XNNPACK, weights alone would be made float32 again at every inference.
        return (
            all(not cpu.is_microcontroller and cpu.isa != "armv7l" for cpu in cpus)
            and not (obstacle(graph.view(self._prepared.dense), mode)[0])
        )

    def _costs_of(self, name: str, cpu: Cpu) -> BoardCosts:
        board, timed = load_board(name), None
        if board.kind == MICROCONTROLLER:
            limits = Limits(room_for(self._request, board))
        else:
            max_file = self._request.max_size
            smaller = "" if max_file is None else self._smallest_storage(cpu)
            limits = Limits(None, max_file, smaller)
            if can_time(board, cpu):
                timed = TimedHere(self._prepared.dense, self.timed)
        recipe = self._recipe
        kernels = recipe.sparsify.kernels if recipe.run.threads == 1 else "runtime"
        return BoardCosts(board, cpu, self._skeleton, recipe.prune, limits, timed, kernels)

    def _smallest_storage(self, cpu: Cpu) -> str:
        """How a float32 network may be stored at last; empty for as it is."""
        if "quantize" in self._recipe.fixed:
            return ""
        return next((mode for mode in SMALLER_MODES if self._stores(mode, [cpu])), "")

    def _skeleton(self, macs: float) -> bytes:
        from edgeprune.convert import convert

        if macs not in self._skeletons:
            smaller = without_channels(self._prepared.loaded, macs, self.chain.round_to)
            self._skeletons[macs] = convert(smaller)
        return self._skeletons[macs]

    def _dense_cost(self, costs: BoardCosts) -> Cost:
        """What the user's model takes; on a microcontroller, as int8."""
        dense = self._prepared.dense
        if not costs.is_firmware:
            return costs.of_file(dense, "none", dense)
        return costs.of_file(quantize(dense, "int8", self._calibration).tflite, "int8", dense)

    def _epochs(self, data: Dataset | None, budget_s: float) -> tuple[int, int, float]:
        """Epochs of one training, none where nothing can be trained; of the first; an epoch's time.

        The network as it is is trained first where there are other views of its data: without, that
        gains nothing. Source: see :data:`chain.STEPS`.
        """
        loaded = self._prepared.loaded
        if loaded.keras is None or data is None or data.x_train is None:
            return 0, 0, 1.0
        epoch_s = epoch_seconds(loaded, data)
        steps = max(1, len(data.x_train) // self._recipe.prune.batch_size)
        epochs = epochs_for(chain.STEPS, steps, epoch_s, budget_s)
        tuning = epochs_for(chain.TUNE_STEPS, steps, epoch_s, budget_s) if data.augment else 0
        return epochs, tuning if epochs else 0, epoch_s

    def _options(self, epochs: int, tune_epochs: int) -> Options:
        modes = {name: self._modes(costs) for name, costs in self._costs.items()}
        patterns: dict[str, Sequence[str]] = {}
        for name, costs in self._costs.items():
            mode = "int8" if costs.is_firmware else modes[name][0]
            found = ["kernel"] if costs.gains_by_zeros("kernel", mode) else []
            if "int8" in modes[name] and costs.gains_by_zeros(OWN_PATTERN, "int8"):
                found.append(OWN_PATTERN)
            if found:
                patterns[costs.cpu.core] = found
        return Options(
            modes=modes,
            patterns=patterns,
            cores={name: costs.cpu.core for name, costs in self._costs.items()},
            removes_channels=bool(epochs) and self._removes_channels(),
            tune_epochs=tune_epochs,
            epochs=epochs,
            qat_epochs=max(1, epochs // QAT_SHARE) if epochs else 0,
            keeps_layers=not any(costs.is_firmware for costs in self._costs.values()),
            must_fit=[name for name, cost in self.dense_costs.items() if cost.excess],
        )

    def _modes(self, costs: BoardCosts) -> tuple[str, ...]:
        fixed = self._recipe.quantize.mode if "quantize" in self._recipe.fixed else ""
        if fixed:
            return (fixed,)
        if costs.is_firmware:
            return ("int8",)
        return ("none", "int8") if self._can_int8 and costs.tries_int8 else ("none",)

    @functools.cached_property
    def _can_int8(self) -> bool:
        """Whether the network can be stored in full integers."""
        return has_quantizer() and not obstacle(graph.view(self._prepared.dense), "int8")[0]

    def _removes_channels(self) -> bool:
        from edgeprune.channels import find_groups

        try:
            return bool(find_groups(self._prepared.loaded.keras))
        except EdgepruneError:
            return False


def _speed_text(ratio: float) -> str:
    """How much faster something is, in words.

    >>> _speed_text(2.0), _speed_text(0.5), _speed_text(1.004)
    ('2.00x faster', '2.00x slower', 'as fast')
    """
    if abs(ratio - 1) < EQUAL:
        return "as fast"
    return f"{ratio:.2f}x faster" if ratio > 1 else f"{1 / ratio:.2f}x slower"
