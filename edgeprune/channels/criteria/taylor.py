"""The criterion ``taylor``: units go first whose absence hardly changes the loss."""

from __future__ import annotations

from edgeprune.channels.criteria.base import CRITERIA
from edgeprune.channels.evidence import Evidence, Scores
from edgeprune.channels.groups import Group


@CRITERIA.register
def taylor(group: Group, evidence: Evidence) -> Scores | None:
    """Squared first-order change of the loss if nothing read the unit, averaged over batches.

    Source: Molchanov et al. 2019, "Importance Estimation for Neural Network Pruning", equation 8,
    over the weights that read the unit: setting these to zero is what removing it does.
    """
    return evidence.squared_loss_changes(group)
