"""What forward contracts brought in a period, settled beside the market at its prices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tokenflow_sim.agents.period_result import PeriodResult
from tokenflow_sim.numeric import Floats
from tokenflow_sim.scenario.contract_rules import Contracts


def settle_contracts(
    contracts: Contracts, result: PeriodResult, providers: Sequence[str], many: int = 1
) -> dict[str, Floats]:
    """Settle all contracts of a period.

    Parameters
    ----------
    contracts : Contracts
        The contracts.
    result : PeriodResult
        The cleared period.
    providers : sequence of str
        Names of the providers.
    many : int
        How many markets stand beside each other, with as many of the contracts each.

    Returns
    -------
    dict of ndarray
        By the names of `variables.CONTRACTS`: quantities in Mtok/s and payments of sellers to buyers in $, dims
        (contract,), and what each provider receives less what it pays in $, dims (provider,). Of markets beside each
        other, those of the first, then those of the second.
    """
    payment = contracts.payment(result.period, result.values.price) + 0.0  # no payment is 0, and not -0
    each = payment.reshape(many, -1)
    sides = [contracts.side(("provider", name))[: each.shape[1]] for name in providers]
    income = np.stack([0.0 - (side * each).sum(axis=1) for side in sides], axis=1).ravel()
    found = {
        "contract_quantity": contracts.quantity(result.period),
        "contract_payment": payment,
        "contract_income": income,
    }
    for array in found.values():
        array.flags.writeable = False
    return found
