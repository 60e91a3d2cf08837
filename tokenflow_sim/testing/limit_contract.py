"""The contract of limits of a user: what `tf.testing.check_limit` checks."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np

from tokenflow_sim.market import Limit, linopy_model
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.strategies.assignment import find_limits

_PERIODS = 4
_MOST_DIFFERENCE = 1e-7


def check_limit(
    limit: type[Limit] | Limit | str,
    /,
    *,
    scenario: str = "us5",
    overrides: Mapping[str, Any] | None = None,
    **given: Any,
) -> None:
    """Check that a user's limit keeps to the contract.

    It plays a few periods with the limit and checks that

    - it has a docstring, and can be pickled;
    - what it uses is what it said when asked again, and every period's capacity can be read;
    - every clearing is certified, costs what the labelled program costs on HiGHS, and is no cheaper than without it;
    - the parts of every price sum to it, and money in is money out;
    - a second run has the same bits.

    Parameters
    ----------
    limit : type, object or str
        Its class, an object, or ``module:Class``.
    scenario : str
        The market to play it in.
    overrides : mapping, optional
        Other values for that scenario; by default demand need not be served.
    **given
        Parameters to make it with, where no object is given.

    Raises
    ------
    AssertionError
        Listing all that was found.
    """
    name = limit if isinstance(limit, str) else getattr(limit, "__name__", type(limit).__name__)
    try:
        made = limit(**given) if inspect.isclass(limit) else limit
        choice: Any = {"limit": made, **given} if isinstance(made, str) else made
        (own,) = find_limits([choice], allow_code=True)
        own = pickle.loads(pickle.dumps(own))
    except Exception as error:
        raise AssertionError(f"limit {name}: it cannot be made and pickled: {error!r}") from error
    found = [] if type(own).__doc__ else ["it has no docstring"]
    changes = {"market.must_serve": False, **(overrides or {})}

    def model(limits: list[Limit]) -> TokenMarket:
        return TokenMarket(scenario, rng=1, periods=_PERIODS, overrides=changes, limits=limits)

    try:
        free, first, second = model([]), model([own]), model([pickle.loads(pickle.dumps(own))])
        for period in range(_PERIODS):
            for one in (free, first, second):
                one.step()
            found += [f"period {period}: {text}" for text in _differences(free, first)]
        found += _results(first, second)
    except Exception as error:
        raise AssertionError(
            "\n  - ".join([f"limit {name}:", *found, f"{type(error).__name__}: {error}"])
        ) from error
    if found:
        raise AssertionError("\n  - ".join([f"limit {name}:", *found]))


def _differences(free: TokenMarket, limited: TokenMarket) -> list[str]:
    """Compare one period with the market without the limit, and with the labelled program."""
    found = []
    without, clearing = free.clearing, limited.clearing
    if without is None or clearing is None:
        return ["nothing was cleared"]
    cost, least = clearing.values.cost, without.values.cost
    if cost < least - _MOST_DIFFERENCE * max(1.0, abs(least)):
        found.append(
            f"a limit makes nothing cheaper: the market costs {cost:g} $/s with it, {least:g} without"
        )
    program = linopy_model(clearing.market)
    program.solve("highs", io_api="direct", progress=False, output_flag=False)
    best = program.objective.value
    if best is None or abs(best - cost) > _MOST_DIFFERENCE * max(1.0, abs(cost)):
        found.append(f"the market costs {cost:g} $/s, the labelled program {best}")
    return found


def _results(first: TokenMarket, second: TokenMarket) -> list[str]:
    found = []
    results, again = first.results(), second.results()
    parts = sum(results[name] for name in results if str(name).startswith("price_"))
    if float(abs(parts - results["price"]).max()) > 1e-9 * max(1.0, float(results["price"].max())):
        found.append("the parts of prices do not sum to them")
    paid = float(results["payment"].sum())
    earned = sum(float(results[name].sum()) for name in ("revenue", "link_income", "limit_income"))
    if abs(paid - earned) > 1e-9 * max(1.0, paid):
        found.append(f"demand pays {paid:.10g} $ and {earned:.10g} $ are earned")
    found += [
        f"{name} differs between two runs of one seed"
        for name in results
        if not np.array_equal(results[name].values, again[name].values, equal_nan=True)
    ]
    return found
