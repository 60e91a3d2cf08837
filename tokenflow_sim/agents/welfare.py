"""What a period brought to everybody together: value of service less true costs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tokenflow_sim.market import Arrays
from tokenflow_sim.market.values import Values
from tokenflow_sim.numeric import Floats


def service_value_of(worth: Floats, arrays: Arrays, values: Values) -> Floats:
    """Return what the service is worth to those who were served, in $/s, dims (node, workload).

    Notes
    -----
    Demand that must be served has no finite value and counts as zero.
    """
    finite = np.isfinite(worth)
    if not finite.any():
        return np.zeros(values.price.shape)
    served = arrays.demand - values.unserved
    value = np.where(finite, worth, 0.0) * served
    if arrays.value_slope is not None:  # the area under the line
        value = value - 0.5 * arrays.value_slope * served * served
    found: Floats = value.sum(axis=2)
    return found


def welfare_of(
    service_value: Floats,
    arrays: Arrays,
    load: Floats,
    cost: Floats,
    transport_cost: Floats,
    seconds: float,
    total: Callable[[Floats], float],
) -> float:
    """Return welfare in $: value of what was served, less true cost of service and of transport.

    Notes
    -----
    Demand that must be served has no finite value and counts as zero, so that with nothing but such demand
    welfare is minus the true cost. Offer prices do not enter: a mark-up moves money, it costs nothing by
    itself. The scenario's route cost is the true cost of transport, whatever the owner asks for; with
    curvature, the congestion charge sum_a kappa_a / 2 load_a^2 is a true cost too, as in the objective.
    """
    value = total(service_value)
    if arrays.link_curvature.any():
        value -= 0.5 * total(arrays.link_curvature * load * load)
    return value * seconds - total(cost) - total(transport_cost)
