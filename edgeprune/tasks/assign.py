"""Which targets are for which output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edgeprune.errors import ModelError
from edgeprune.tasks.head import Array
from edgeprune.tasks.output import Dense, Output
from edgeprune.tasks.reading import read
from edgeprune.tasks.said import Said

LEAD = 0.1
"""By how much one output must know unnamed labels better than any other. Source: ours."""

Named = dict[str, tuple[str, Array]]
"""By part: the array's name for messages, and the array."""


def assigned(
    outputs: Sequence[Output],
    targets: Mapping[str, Mapping[str, Array]],
    said: Said,
    dense: Dense,
) -> dict[int, Named]:
    """Targets by the index of their output.

    Raises:
        ModelError: A name is no output's, or unnamed targets fit none or several.
    """
    keys = {key for part in targets.values() for key in part}
    if "" in keys and len(keys) > 1:
        named = ", ".join(sorted(keys - {""}))
        raise ModelError(f"y is given without a name beside targets of the outputs {named}")
    places = {key: _place(key, outputs, targets, said, dense) for key in sorted(keys)}
    if len(set(places.values())) < len(places):
        raise ModelError(f"targets of one output come under several names: {', '.join(places)}")
    by_output: dict[int, Named] = {}
    for part, given in targets.items():
        for key, y in given.items():
            label = f"y_{part}" + (f"/{key}" if key else "")
            by_output.setdefault(places[key], {})[part] = (label, y)
    for index, parts in by_output.items():
        if "test" in targets and "test" not in parts:
            raise ModelError(
                f"has no y_test for the output {outputs[index].name!r}, which has y_train: the "
                "labels of x_test are needed to score"
            )
        if targets.get("train") and "train" not in parts:
            raise ModelError(f"has no y_train for the output {outputs[index].name!r}")
    return by_output


def _place(
    key: str,
    outputs: Sequence[Output],
    targets: Mapping[str, Mapping[str, Array]],
    said: Said,
    dense: Dense,
) -> int:
    names = [output.name for output in outputs]
    if key in names:
        return names.index(key)
    if key.isdecimal() and int(key) < len(names):
        return int(key)
    if key:
        raise ModelError(
            f"has targets {key!r}, and the model has no such output; it has: " + ", ".join(names)
        )
    if len(names) == 1:
        return 0
    if len(asked := said.heads()) == 1:
        return names.index(next(iter(asked)))
    return _only_fit(outputs, {part: given[""] for part, given in targets.items() if given}, dense)


def _only_fit(outputs: Sequence[Output], parts: Mapping[str, Array], dense: Dense) -> int:
    """The output that unnamed targets are for."""
    fits = []
    for index, output in enumerate(outputs):
        try:
            for part, y in parts.items():
                read(f"y_{part}", y, output)
            fits.append(index)
        except ModelError:
            continue
    if len(fits) == 1:
        return fits[0]
    shapes = ", ".join(f"{output.name} {output.head_shape}" for output in outputs)
    advice = "name the output, as y_train_NAME and y_test_NAME"
    if not fits:
        raise ModelError(f"y fits none of the model's outputs ({shapes}): {advice}")
    if dense.is_known and "test" in parts:
        scores = {k: _knows(dense.outputs[k], parts["test"][dense.chosen]) for k in fits}
        best, second = sorted(scores, key=scores.__getitem__, reverse=True)[:2]
        if scores[best] > scores[second] + LEAD:
            return best
    fitting = " and ".join(outputs[k].name for k in fits)
    raise ModelError(f"y fits the outputs {fitting} alike: {advice}")


def _knows(answers: Array, y: Array) -> float:
    """How well answers go with targets, whatever both are: 1 is best, 0 is none.

    Of class numbers it is the share of right ones above that of the commonest class; of targets of
    the answers' size the correlation.
    """
    flat, wanted = answers.reshape(len(answers), -1), y.reshape(len(y), -1).astype(np.float64)
    if wanted.shape[1] == 1 and flat.shape[1] > 1:
        labels = wanted[:, 0].astype(np.int64)
        commonest = float(np.bincount(labels).max()) / len(labels)
        right = float((flat.argmax(axis=1) == labels).mean())
        return (right - commonest) / max(1 - commonest, 1e-9)
    if flat.shape != wanted.shape:
        return 0.0
    deviations = [one - one.mean(axis=0) for one in (flat, wanted)]
    energy = float(np.square(deviations[0]).sum() * np.square(deviations[1]).sum())
    return float((deviations[0] * deviations[1]).sum()) / energy**0.5 if energy else 0.0
