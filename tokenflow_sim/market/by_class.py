"""Clearing class by class, for classes whose sizes lie so far apart that no solver sees the smallest.

Where classes share no full link and no power that binds, a market is the sum of one market a class, each of which is
measured by its own numbers. Whether it is, the certificate of the whole says.
"""

from __future__ import annotations

import numpy as np

from tokenflow_sim.market.engine import Engine
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.values import Values, total_cost, values_of
from tokenflow_sim.numeric import Floats


def clear_by_class(engine: Engine, market: Market) -> Values:
    """Clear each class as if the others were not there.

    Parameters
    ----------
    engine : Engine
        Clears markets of this structure.
    market : Market
        The market, without curvature.

    Returns
    -------
    Values
        Optimal only where no class is in another's way.

    Raises
    ------
    InfeasibleError
        If a class cannot be served even by itself.
    CertificateError
        If HiGHS finds no optimum of one.
    """
    arrays, found = market.arrays, []
    for position in range(len(market.layout.workloads)):
        only = np.zeros(len(market.layout.workloads), dtype=np.bool_)
        only[position] = True
        column = only[None, :, None]
        alone = arrays.with_(
            offer_price=np.where(column, arrays.offer_price, 0.0),
            capacity=np.where(column, arrays.capacity, 0.0),
            demand=np.where(column, arrays.demand, 0.0),
        )
        found.append(values_of(engine.program, alone, engine.solve(alone)))

    def own(name: str) -> Floats:
        return np.stack([getattr(values, name)[:, k] for k, values in enumerate(found)], axis=1)

    dispatch, flow, unserved = own("dispatch"), own("flow"), own("unserved")
    names = found[0].supplied
    supplied = {name: np.add.reduce([values.supplied[name] for values in found]) for name in names}
    return Values(
        price=own("price"),
        dispatch=dispatch,
        flow=flow,
        unserved=unserved,
        scarcity_rent=own("scarcity_rent"),
        rents={name: np.maximum.reduce([values.rents[name] for values in found]) for name in found[0].rents},
        supplied=supplied,
        cost=total_cost(arrays, dispatch, flow, unserved, supplied),
    )
