"""Security: which losses a schedule has to survive, and what a schedule that survives them pays for it.

A schedule is secure against a loss if all demand that it serves can still be served after it, by another dispatch and
other flows within what is left: `contingency.py` states the program. As rows of the market these are

    sum_nk alpha_nk (what reaches n of k)  -  sum_ak rho_ak x_ak  <=  r,

with alpha and rho from the duals of the program after the loss (Benders 1962); `secured.py` brings them in on demand.
A clearing publishes one row for each loss, the sum of its rows by their duals, so that results have one dual a loss.

References
----------
Benders (1962), Partitioning procedures for solving mixed-variables programming problems, Numerische Mathematik 4.
Monticelli, Pereira and Granville (1987), Security-constrained optimal power flow with post-contingency corrective
rescheduling, IEEE Transactions on Power Systems 2.
"""

from __future__ import annotations

import numpy as np

from tokenflow_sim.market.limits import SharedCapacity, Term
from tokenflow_sim.market.losses import SECURITY, Security
from tokenflow_sim.market.market import Market
from tokenflow_sim.numeric import Floats
from tokenflow_sim.variables import LIMITS as LIMIT_RESULTS

OPERATOR = "security"
"""Payee of what links would carry after a loss; what assets would serve then is theirs."""


def published(
    security: Security, shape: tuple[int, int], rows: dict[int, tuple[Floats, Floats, float, Floats]]
) -> SharedCapacity:
    """Return the losses as one group of limits, with a label for each.

    Parameters
    ----------
    security : Security
        The losses.
    shape : tuple of int
        How many assets and classes there are.
    rows : dict
        By position of the loss: what service uses, dims (asset, workload), what flow uses, dims (arc, workload), the
        right-hand side, and what of it is the assets', dims (asset, workload). Losses without an entry do not bind.
    """
    size = len(security.labels)
    capacity, held = np.full(size, np.inf), np.zeros((size, *shape))
    terms: list[Term] = []
    for number, (dispatch, flow, right, own) in rows.items():
        capacity[number], held[number] = right, own
        terms.append(Term("dispatch", dispatch, np.full(shape[0], number)))
        if flow.size:
            terms.append(Term("flow", flow, np.full(len(flow), number)))
    row = LIMIT_RESULTS["security_rent"]
    return SharedCapacity(
        name=SECURITY,
        rent=row.name,
        dim="contingency",
        capacity=capacity,
        terms=tuple(terms) or (Term("dispatch", np.zeros(shape), np.zeros(shape[0], dtype=np.int64)),),
        labels=security.labels,
        payee=OPERATOR,
        rent_unit=row.unit,
        meaning=row.long_name,
        held=held,
    )


def without_security(market: Market) -> Market:
    """Return a market without losses, and without the limits that stand for them in one that was cleared."""
    arrays = market.arrays
    kept = tuple(limit for limit in arrays.limits if limit.name != SECURITY)
    return Market.from_arrays(
        market.layout, arrays.with_(security=None, limits=kept), market.hours, check=False
    )
