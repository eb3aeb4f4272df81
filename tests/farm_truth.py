"""How a simulated farm's decisions on changes over nights compare with what truly changed."""

from collections import defaultdict
from dataclasses import dataclass, field

from sqlalchemy import text

from edgeprune.farm.trends.detectors import MIN_BEFORE
from edgeprune.farm.trends.series import SAME_PLACE

RUNS = (
    "SELECT r.device, j.model_path, r.run, r.night FROM farm_results r "
    "JOIN farm_jobs j ON j.job = r.job WHERE j.kind = 'measure' AND j.state = 'done' "
    "ORDER BY r.run"
)
TOLD = "SELECT device, model_path, run, first_run FROM farm_changes WHERE is_confirmed = 1"


@dataclass
class Truth:
    """What became of the true changes of a farm.

    Attributes:
        series: Series that are long enough to show a change.
        delays: Nights measured after each true change until it was told, 1 for the first; None
            where it was not. Of series with enough nights on either side.
        right: How often a true change was told.
        false: What was told and is none.
        reruns: Jobs of the kind ``confirm`` by their state.
    """

    series: int = 0
    delays: list = field(default_factory=list)
    right: int = 0
    false: list = field(default_factory=list)
    reruns: dict = field(default_factory=dict)

    @property
    def missed(self):
        """True changes that were not told within two nights."""
        return sum(delay is None or delay > 2 for delay in self.delays)

    @property
    def told(self):
        """All that was told."""
        return len(self.false) + self.right


def truth_of(connection, world):
    """Compares decisions with the world; a night's name ends with its number."""
    runs, told, truth = defaultdict(list), defaultdict(list), Truth()
    for device, path, run, night in connection.execute(text(RUNS)):
        runs[device, path].append((run, int(night.rpartition(" ")[2])))
    for device, path, run, first_run in connection.execute(text(TOLD)):
        told[device, path].append((run, first_run))
    for key, nights in runs.items():
        model, index = world.model(key[1]), {run: n for n, (run, _) in enumerate(nights)}
        step = next((n for n, (_, night) in enumerate(nights)
                     if model.size and night >= model.night), None)  # fmt: skip
        is_long = step is not None and step >= MIN_BEFORE and len(nights) - step >= 2
        truth.series += len(nights) > MIN_BEFORE
        right = None
        for run, first_run in sorted(told.get(key, ())):
            is_right = step is not None and abs(index[first_run] - step) <= SAME_PLACE
            if is_right and right is None:
                right = index[run] - step + 1
            else:
                truth.false.append((*key, run))
        truth.right += right is not None
        if is_long:
            truth.delays.append(right)
    rows = connection.execute(
        text("SELECT state, count(*) FROM farm_jobs WHERE kind = 'confirm' GROUP BY 1")
    )
    truth.reruns = {state: count for state, count in rows}
    return truth
