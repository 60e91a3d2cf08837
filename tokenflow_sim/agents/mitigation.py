r"""Market-power mitigation: what is replaced of what was submitted, between the order book and the market.

Offers above the cap are set to it, and what demand pays at most to the price cap. The market is then cleared as
submitted. Its full links part it into relevant markets, class by class, in each of which the residual supply index of
every provider i with the n - 1 largest others is taken,

    RSI_i(n) = (sum_j S_j - S_i - sum of the n - 1 largest other S_j) / D,

where S_j is what provider j offered there, and D what had to be supplied there: its demand less what full links
brought in. Where RSI_i(n) <= 1, provider i fails; its offers there are set to their reference levels where these are
lower, and the market is cleared again. Where nothing is replaced, the first clearing stands.

PJM, whose test it is with n = 3, counts offers as supply only up to one and a half times the clearing price, and looks
at each constraint by itself; here all that was offered in a relevant market counts.

References
----------
PJM Manual 11, section 2.3.6, and Monitoring Analytics, "State of the Market Report for PJM", appendix "Three Pivotal
Supplier Test": with n = 3, who has an index of 1.0 or less fails, and its offers are set to cost plus ten per cent.
California ISO, "Local Market Power Mitigation": the market is cleared as bid to find which constraints bind, and again
after mitigation. FERC Order No. 831 (2016): offers above the cap of $1,000/MWh need a true cost as high.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tokenflow_sim.errors import Fault, MarketError
from tokenflow_sim.market import Arrays, Clearing, Layout, Market
from tokenflow_sim.market.pivotal import ResidualSupply, suffices, supply_of_class
from tokenflow_sim.market.relevant import full_links, joined_nodes
from tokenflow_sim.market.wanted import wanted
from tokenflow_sim.numeric import Bools, Floats, Ints, frozen
from tokenflow_sim.scenario.mitigation import Mitigation, by_class

Clear = Callable[[Market], Clearing]


class Mitigator:
    """Applies the rules of a scenario to the markets of a run.

    Parameters
    ----------
    rules : Mitigation
        The rules.
    layout : Layout
        Labels of the market.
    """

    def __init__(self, rules: Mitigation, layout: Layout) -> None:
        self._rules, self._layout = rules, layout
        workloads = list(map(str, layout.workloads))
        self._offer_cap = np.array(by_class(rules.offer_cap, workloads))
        self._price_cap = np.array(by_class(rules.price_cap, workloads))
        names = list(dict.fromkeys(layout.provider))
        self._firm: Ints = np.array([names.index(name) for name in layout.provider], dtype=np.int64)
        self._firms = len(names)

    def clear(
        self, market: Market, true_cost: Floats, exists: Floats, clear: Clear
    ) -> tuple[Clearing, dict[str, Floats]]:
        """Clear a market under the rules.

        Parameters
        ----------
        market : Market
            As it was submitted.
        true_cost : ndarray
            In $/Mtok, dims (asset, workload).
        exists : ndarray
            Capacity of links, dims (arc,).
        clear : callable
            Clears a market.

        Returns
        -------
        clearing : Clearing
            Of the market with what was replaced.
        beside : dict of ndarray
            By the names of `variables.MITIGATION`.
        """
        submitted = market.arrays
        arrays = self.capped(submitted, true_cost)
        clearing = clear(self._with(market, arrays))
        failed = np.zeros(true_cost.shape, dtype=bool)
        if self._rules.pivotal_suppliers is not None:
            failed = self.failed(clearing, exists)
            level = self.reference_level(true_cost)[:, :, None]
            dear = failed[:, :, None] & (_dearest(arrays) > level)
            # A block that offers nothing, or one that does not change, needs no second clearing.
            each = self._layout.by_market(dear & (arrays.capacity > 0))
            if (again := each.any(axis=(1, 2, 3))).any():
                dear &= again.repeat(each.shape[1])[:, None, None]
                arrays = arrays.with_(offer_price=frozen(np.where(dear, level, arrays.offer_price)))
                if arrays.offer_slope is not None:
                    arrays = arrays.with_(offer_slope=frozen(np.where(dear, 0.0, arrays.offer_slope)))
                clearing = clear(self._with(market, arrays))
        replaced = ((_dearest(arrays) < _dearest(submitted)) & (arrays.capacity > 0)).any(axis=2)
        slope = submitted.offer_slope
        return clearing, {
            "submitted_price": submitted.offer_price,
            "submitted_slope": np.zeros_like(submitted.offer_price) if slope is None else slope,
            "mitigated": frozen(replaced.astype(np.float64)),
            "failed_test": frozen(failed.astype(np.float64)),
        }

    def _with(self, market: Market, arrays: Arrays) -> Market:
        return (
            market
            if arrays is market.arrays
            else Market.from_arrays(self._layout, arrays, market.hours, check=False)
        )

    def reference_level(self, true_cost: Floats) -> Floats:
        """Return true cost plus the adder, a share of its size, in $/Mtok, dims of `true_cost`."""
        return true_cost + self._rules.adder * np.abs(true_cost)

    def capped(self, arrays: Arrays, true_cost: Floats) -> Arrays:
        """Return a market with offers and demand's values no higher than the caps.

        Parameters
        ----------
        arrays : Arrays
            As submitted.
        true_cost : ndarray
            In $/Mtok, dims (asset, workload): an offer above the cap is set to this where it is higher.

        Raises
        ------
        MarketError
            If an offer that rises along a line goes above the cap on offers, or a bid that falls along one starts
            above the cap on prices: what is left of it is no line.
        """
        changes: dict[str, Floats] = {}
        most = np.maximum(self._offer_cap, true_cost)[:, :, None]
        self._check_lines(arrays, most)
        if (arrays.offer_price > most).any():
            changes["offer_price"] = frozen(np.minimum(arrays.offer_price, most))
        dearest = self._price_cap[:, None]
        if (arrays.value > dearest).any():
            slope, layout = arrays.value_slope, self._layout
            bent = (
                np.zeros(0) if slope is None else (arrays.value > dearest) & (slope > 0) & (arrays.demand > 0)
            )
            if bent.any():
                node, workload, _ = np.argwhere(bent)[0]
                where = f"of {layout.workloads[workload]!r} at {layout.nodes[node]!r}"
                text = (
                    f"has no meaning for affine bids that start above it, here {where}: what is left of one is flat "
                    "and then falls, which is no line; give that demand in steps"
                )
                raise MarketError([Fault(text, "market.mitigation.price_cap")], "market")
            changes["value"] = frozen(np.minimum(arrays.value, dearest))
        return arrays.with_(**changes) if changes else arrays

    def _check_lines(self, arrays: Arrays, most: Floats) -> None:
        """Refuse offers that rise above their cap: what is left of them rises and is then flat, which is no line."""
        if arrays.offer_slope is None:
            return
        bent = (arrays.offer_slope > 0) & (_dearest(arrays) > most) & (arrays.capacity > 0)
        if not bent.any():
            return
        asset, workload, _ = np.argwhere(bent)[0]
        where = f"of {str(self._layout.workloads[workload])!r} at {str(self._layout.assets[asset])!r}"
        text = f"leaves of an offer that rises above it no line, here {where}; offer that capacity in blocks"
        raise MarketError([Fault(text, "market.mitigation.offer_cap")], "market")

    def failed(self, clearing: Clearing, exists: Floats) -> Bools:
        """Return at which of its assets each provider fails the test, dims (asset, workload).

        Parameters
        ----------
        clearing : Clearing
            Of the market as submitted.
        exists : ndarray
            Capacity of links, dims (arc,).

        Notes
        -----
        Supply of a class is what was offered, and where classes share power, no more than what the power that the
        others leave can serve. Reserve, caps and rules for whole paths are not looked at. A provider without supply in
        a market does not fail there, and nobody does where nothing has to be supplied.
        """
        layout, arrays, values = self._layout, clearing.market.arrays, clearing.values
        load = (arrays.link_use * values.flow).sum(axis=1)
        share = np.divide(load, arrays.link_capacity, out=np.zeros_like(load), where=arrays.link_capacity > 0)
        price, ends = values.price[None], (layout.origin, layout.destination)
        full = full_links(
            price,
            values.congestion_rent[None],
            share[None],
            exists[None],
            arrays.link_use,
            arrays.link_curvature,
            ends,
        )
        market = joined_nodes(price, full, arrays.allowed, *ends, within=np.inf)[0]
        dispatch, offered = values.dispatch.sum(axis=2), arrays.capacity.sum(axis=2)
        supply = supply_of_class(offered, arrays.power_use, arrays.power_limit, dispatch)
        # Of demand in steps, later ones are unserved where they would not have paid the price.
        lacking, found = wanted(arrays, values.unserved)[1][:, :, 0], np.zeros(dispatch.shape, dtype=bool)
        able = supply > 0
        places: list[tuple[int, Ints, Ints]] = []
        own, asked = list[Floats](), list[Floats]()
        for k in range(dispatch.shape[1]):
            rows = np.flatnonzero(able[:, k])
            there, place = np.unique(market[layout.asset_node[rows], k], return_inverse=True)
            places.append((k, rows, place))
            spot = place * self._firms + self._firm[rows]
            own.append(np.bincount(spot, supply[rows, k], there.size * self._firms).reshape(-1, self._firms))
            # What is made there and what nobody brought: demand less what full links brought in.
            short = np.bincount(market[:, k], lacking[:, k], market[:, k].max() + 1)[there]
            asked.append(np.bincount(place, dispatch[rows, k], there.size) + short)
        index = ResidualSupply(np.concatenate(own), np.concatenate(asked), -1)
        passes, before = suffices(index.jointly(self._rules.pivotal_suppliers or 1)), 0
        for (k, rows, place), part in zip(places, own, strict=True):
            found[rows, k] = ~passes[before + place, self._firm[rows]]
            before += len(part)
        return found


def _dearest(arrays: Arrays) -> Floats:
    """Return the price of the last unit of every offer in $/Mtok, dims as `capacity`."""
    if arrays.offer_slope is None:
        return arrays.offer_price
    return arrays.offer_price + arrays.offer_slope * arrays.capacity
