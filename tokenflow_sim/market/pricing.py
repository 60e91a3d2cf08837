"""By which rule a cleared market is settled, as data: its name and its parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

RuleName = Literal["lmp", "pay_as_bid", "vcg", "k_double_auction"]
Trade = Literal["discriminatory", "uniform"]
RULES: tuple[str, ...] = get_args(RuleName)
TRADES: tuple[str, ...] = get_args(Trade)


@dataclass(frozen=True, kw_only=True)
class Pricing:
    """A pricing rule other than the locational marginal price; see docs/how-to/pricing-rules.md.

    Parameters
    ----------
    rule : {'pay_as_bid', 'vcg', 'k_double_auction'}
        The rule; `pricing_rules.PRICING_RULES` has what each does.
    k : float
        Of `k_double_auction`: weight of the bid in the price ``k bid + (1 - k) offer``, from 0 to 1.
    trade : {'discriminatory', 'uniform'}
        Of `k_double_auction`: whether each matched pair of bid and offer has its own price, or all trades have one.
    pivotal_value : float or None
        Of `vcg`: what demand that must be served is worth in $/Mtok while a provider is taken away; None where it is
        to be served then too.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """

    rule: RuleName
    k: float = 0.5
    trade: Trade = "discriminatory"
    pivotal_value: float | None = None

    def __post_init__(self) -> None:
        """Check the parameters."""
        for name, value, known in (("pricing", self.rule, RULES), ("double_auction", self.trade, TRADES)):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}; found {value!r}")
        if not 0.0 <= self.k <= 1.0:
            raise ValueError(f"k must be a number from 0 to 1; found {self.k!r}")
        if self.pivotal_value is not None and not 0.0 <= self.pivotal_value < math.inf:
            raise ValueError(
                f"pivotal_value must be a finite number of at least 0; found {self.pivotal_value!r}"
            )
