"""Nash-Cournot equilibrium over a network, exactly, by one quadratic program.

Players choose what they sell where, know that it moves prices, and take what transmission costs as given (Hobbs 2001).
With affine demand the conditions of all players, of the network and of those who take prices together are those of
one quadratic program, the market's own with terms for what players hold back (Hashimoto 1985).

References
----------
B. F. Hobbs, "Linear complementarity models of Nash-Cournot competition in bilateral and POOLCO power markets", IEEE
Transactions on Power Systems 16(2) (2001) 194-202. H. Hashimoto, "A spatial Nash equilibrium model", in P. T. Harker
(ed.), Spatial Price Equilibrium (Springer, 1985) 20-40. B. Allaz and J.-L. Vila, "Cournot competition, forward markets
and efficiency", Journal of Economic Theory 59 (1993) 1-16.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import xarray as xr
from scipy import sparse

from tokenflow_sim.errors import CertificateError, Fault, InfeasibleError, MarketError, unknown_name
from tokenflow_sim.market import Market
from tokenflow_sim.market.blas import one_thread
from tokenflow_sim.market.certificate import CERTIFIED, Certificate
from tokenflow_sim.market.coefficients import Coefficients
from tokenflow_sim.market.pieces import optimum
from tokenflow_sim.market.program import Program
from tokenflow_sim.market.quadratic import scaled_at_first_unit, slopes_of
from tokenflow_sim.market.separable import SeparableProgram
from tokenflow_sim.numeric import Bools, Floats
from tokenflow_sim.study.affine import AffineMarket, affine_market
from tokenflow_sim.study.anticipated import anticipated_outputs
from tokenflow_sim.study.oligopoly_dataset import Equilibrium, oligopoly_dataset

_MOST_ROUNDS = 50
# Beside what is demanded at no price: what is no more is nothing.
_NOTHING = 1e-9
CONGESTION = ("taken", "anticipated")


def cournot(
    market: Market,
    *,
    players: Sequence[str] | None = None,
    forward: Any = None,
    arbitrage: bool = False,
    congestion: Literal["taken", "anticipated"] = "taken",
) -> xr.Dataset:
    """Find the Nash equilibrium in quantities of a market with affine demand.

    Parameters
    ----------
    market : Market
        The market. Its offers are true costs (with `offer_slope`, rising marginal cost); all of its demand has a
        `value` and a positive `value_slope`.
    players : sequence of str, optional
        Providers that know how their quantities move prices; all of them by default. The others take prices (the
        competitive fringe).
    forward : DataArray or mapping, optional
        What players have sold forward in Mtok/s: dims (provider, node, workload), or ``{player: {(node, workload):
        number}}``; ``{player: number}`` where there is demand at one place only. Only sales beyond it gain from a
        higher price: ``p - c - b (q - x) = 0``.
    arbitrage : bool
        Whether others buy at one node and sell at another until prices differ by the cost of transmission alone, and
        players know it: the market is a pool, in which each sells where its assets are (Hobbs's POOLCO). Without,
        each sells to the customers of every node (bilateral trade), and price differences beyond that may stay.
    congestion : {'taken', 'anticipated'}
        Whether players take what transmission costs as given, or choose quantities at their own assets knowing how
        those load the network, and what congestion does to prices (Borenstein, Bushnell and Stoft 2000). The second
        is found by best responses, each over the true residual demand; it may have no equilibrium in pure quantities,
        which `converged` says.

    Returns
    -------
    Dataset
        `price`, `consumption`, `transmission_price` (what it costs to bring a unit to the node from the first node of
        its part of the network), dims (node, workload); `sales`, dims (provider, node, workload); `dispatch`,
        `flow` and `congestion_rent` as of a clearing; `marginal_cost` (of bringing another unit to
        that first node), dims (provider, workload), where congestion is taken and the network is in one part;
        `profit`, dims (provider,), $/h, forward sales counted at the spot price; `consumer_surplus`,
        `network_income` and `welfare`, $/h. Attributes:
        the certificate of the conditions, `players`, `arbitrage`, `congestion`, `converged` and how many clearings or
        rounds it took.

    Raises
    ------
    MarketError
        If demand is not affine or ends before what is sold, the market has rules for whole paths or losses, or a name
        or a forward position is wrong.
    InfeasibleError
        If what has to be done cannot be.
    CertificateError
        If no equilibrium can be certified.

    Notes
    -----
    The first-order condition of player f at node n is ``p_n - b_n (s_fn - x_fn) <= m_f + w_n``, with equality where
    it sells, w being the price of transmission and m its marginal cost. With arbitrage it is
    ``p_j - B (q_f - x_f) <= c``, with ``B = 1 / sum_n 1/b_n`` over the nodes that demand anything. Prices, sales of
    players and the output of offers whose price rises are unique; who of several with equal constant costs produces
    may not be.
    """
    if congestion not in CONGESTION:
        raise MarketError([Fault(unknown_name("choice", congestion, CONGESTION), "congestion")], "argument")
    affine = affine_market(market, players, forward, what="Cournot's equilibrium")
    with one_thread():
        if congestion == "anticipated":
            starts = [_with_arbitrage(affine).dispatch.sum(axis=2)]
            found = anticipated_outputs(affine, starts)
            return oligopoly_dataset(affine, found, congestion=congestion, arbitrage=True)
        found = _with_arbitrage(affine) if arbitrage else _Oligopoly(affine, None).solve()
    affine.check_quantity(found.consumption)
    return oligopoly_dataset(affine, found, congestion=congestion, arbitrage=arbitrage)


def _with_arbitrage(affine: AffineMarket) -> Equilibrium:
    """Find where demand is nothing, which does not move with prices, by solving until that is known."""
    active = affine.there
    for count in range(1, _MOST_ROUNDS + 1):
        found = _Oligopoly(affine, active).solve()
        now = affine.there & (found.consumption > _NOTHING * affine.most)
        if (now == active).all():
            return found._replace(rounds=count)
        active = now
    raise CertificateError("no set of nodes that demand anything is that of an equilibrium with arbitrage")


class _Parts(NamedTuple):
    """Where the columns and rows of the game stand behind the market's own."""

    seller: Any
    place: Any


class _Oligopoly:
    """The quadratic program whose optimum is the equilibrium.

    Its columns are the market's without shortfall, its links' loads, then what each provider sells: of a class at a
    node, or, with arbitrage, of a class in a part of the network. Its rows are the market's, those of loads, one that
    says of each provider that it sells what it makes, and, without arbitrage, one that says that what is sold at a
    node is what is consumed there.
    """

    def __init__(self, affine: AffineMarket, active: Bools | None) -> None:
        self.affine, self.active = affine, active
        market = affine.market
        self.program = Program(market)
        self.data = scaled_at_first_unit(self.program, market.arrays)
        self.islands = affine.islands
        self._write()

    def _write(self) -> None:
        affine, program, data = self.affine, self.program, self.data
        arrays = affine.market.arrays
        used, links, classes = program.v.start, arrays.link_curvature.size, affine.slope.shape[1]
        per_price = data.scale.quantity / data.scale.price
        count = int(self.islands.max(initial=0)) + 1
        firms = len(affine.providers)
        slope, sold = self._sales(count)
        self.seller, self.first, self.second, self.workload = sold
        base, sales = used + links, self.seller.size
        # What a provider makes of a class in a part of the network is what it sells there.
        own_row = (np.arange(firms * classes * count)).reshape(firms, classes, count)
        x = np.arange(program.x.start, program.x.stop).reshape(program.offers_shape)
        layout = affine.market.layout
        asset, k, _ = np.indices(program.offers_shape)
        rows = own_row[affine.provider_of[asset], k, self.islands[layout.asset_node[asset], k]]
        entries = [(rows.ravel(), x.ravel(), np.ones(x.size))]
        column = base + np.arange(sales)
        island = self.second if self.active is not None else self.islands[self.first, self.workload]
        entries.append((own_row[self.seller, self.workload, island], column, -np.ones(sales)))
        height = own_row.size
        right = np.zeros(height)
        if self.active is None:
            # What is sold at a node is what is consumed there: demand less what is not served of it.
            place = np.full(affine.there.shape, -1)
            place[affine.there] = height + np.arange(int(affine.there.sum()))
            y = np.arange(program.y.start, program.y.stop).reshape(program.unserved_shape)
            here = np.broadcast_to(affine.there[:, :, None], y.shape)
            at = np.broadcast_to(place[:, :, None], y.shape)
            entries += [
                (at[here], y[here], np.ones(int(here.sum()))),
                (place[self.first, self.workload], column, np.ones(sales)),
            ]
            right = np.append(right, affine.most[affine.there] / data.scale.quantity)
            height += int(affine.there.sum())
        row, col, value = (np.concatenate(parts) for parts in zip(*entries, strict=True))
        width = base + sales
        extra = sparse.coo_array((value, (row, col)), shape=(height, width))
        inner = program.matrix_with_loads
        wide = sparse.hstack([inner, sparse.csc_array((inner.shape[0], sales))])
        floor = np.full(program.rows, -np.inf)
        floor[program.equations] = data.rows[program.equations]
        lower = np.zeros(width)
        # Demand may end; whether it would is checked afterwards.
        lower[program.y] = np.where(affine.there.ravel().repeat(arrays.demand.shape[2]), -np.inf, 0.0)
        lower[program.y][data.upper[program.y] == 0] = 0.0
        plays = affine.plays[self.seller]
        held = (
            affine.forward[self.seller, self.first, self.workload]
            if self.active is None
            else self._forward_of(count)[self.seller, self.second, self.workload]
        )
        steep = np.where(plays, slope, 0.0)
        self.smooth = SeparableProgram(
            costs=np.concatenate([data.costs[:used], np.zeros(links), -steep * held / data.scale.price]),
            curvature=np.concatenate(
                [slopes_of(program, data, arrays), arrays.link_curvature * per_price, steep * per_price]
            ),
            lower=lower,
            upper=np.concatenate([data.upper[:used], np.full(links + sales, np.inf)]),
            floor=np.concatenate([floor, np.zeros(links), right]),
            ceiling=np.concatenate([data.rows, np.zeros(links), right]),
            coefficients=Coefficients(sparse.csc_array(sparse.vstack([wide, extra], format="csc"))),
        )
        self.own_rows = program.rows + links + own_row

    def _sales(self, count: int) -> tuple[Floats, tuple[Any, Any, Any, Any]]:
        """Return the slope that each column of sales meets, and whose it is, where, and of what class."""
        affine, firms = self.affine, len(self.affine.providers)
        if self.active is None:
            node, k = np.nonzero(affine.there)
            seller = np.repeat(np.arange(firms), node.size)
            node, k = np.tile(node, firms), np.tile(k, firms)
            return affine.slope[node, k], (seller, node, np.zeros_like(node), k)
        # All prices of a part of the network move together, by what its whole demand moves with them.
        classes = affine.slope.shape[1]
        flat = np.zeros((count, classes))
        node, k = np.nonzero(self.active)
        np.add.at(flat, (self.islands[node, k], k), 1.0 / affine.slope[node, k])
        island, k = np.nonzero(flat > 0)
        seller = np.repeat(np.arange(firms), island.size)
        island, k = np.tile(island, firms), np.tile(k, firms)
        return 1.0 / flat[island, k], (seller, np.zeros_like(island), island, k)

    def _forward_of(self, count: int) -> Floats:
        """Return what each has sold forward in each part of the network, dims (provider, part, workload)."""
        found = np.zeros((len(self.affine.providers), count, self.affine.slope.shape[1]))
        for firm, node, k in np.argwhere(self.affine.forward != 0):
            found[firm, self.islands[node, k], k] += self.affine.forward[firm, node, k]
        return found

    def solve(self) -> Equilibrium:
        """Return the equilibrium.

        Raises
        ------
        InfeasibleError
            If what has to be done cannot be.
        CertificateError
            If it cannot be certified.
        """
        best = optimum(self.smooth)
        if best is None:
            raise InfeasibleError({})
        columns, duals = best.values, best.duals
        certificate = self.smooth.residuals(columns, duals)
        if certificate.worst > CERTIFIED:
            raise CertificateError(f"the equilibrium is none within {CERTIFIED:g}: {certificate}")
        return self._outcome(columns, duals, certificate)

    def _outcome(self, columns: Floats, duals: Floats, certificate: Certificate) -> Equilibrium:
        affine, program, scale = self.affine, self.program, self.data.scale
        layout = affine.market.layout
        values, prices = columns * scale.quantity, duals * scale.price
        dispatch = values[program.x].reshape(program.offers_shape)
        unserved = values[program.y].reshape(program.unserved_shape).sum(axis=2)
        consumption = np.where(affine.there, affine.most - unserved, 0.0)
        nodal = prices[program.balance].reshape(program.nodal_shape)
        hub = np.zeros_like(nodal)
        for k in range(nodal.shape[1]):
            _, first = np.unique(self.islands[:, k], return_index=True)
            hub[:, k] = nodal[first[self.islands[:, k]], k]
        firms = len(affine.providers)
        cost: Floats | None = None
        if self.active is None:
            price = affine.intercept - affine.slope * consumption
            sales = np.zeros((firms, *affine.there.shape))
            base = self.seller.size
            sales[self.seller, self.first, self.workload] = values[columns.size - base :]
            own = prices[self.own_rows]
            if own.shape[2] == 1:  # in several parts of the network it is several
                cost = own[:, :, 0] + hub[0]
        else:
            price = nodal
            sales = np.zeros((firms, *affine.there.shape))
            np.add.at(sales, (affine.provider_of, layout.asset_node), dispatch.sum(axis=2))
        rents = {
            limit.rent: np.maximum(-prices[placed.rows] / placed.unit, 0.0)
            for placed, limit in program.numbers_of(affine.market.arrays)
            if not limit.equality
        }
        return Equilibrium(
            price=price,
            consumption=consumption,
            sales=sales,
            dispatch=dispatch,
            flow=values[program.f].reshape(program.flow_shape),
            transmission=nodal - hub,
            congestion_rent=rents["congestion_rent"],
            marginal_cost=cost,
            certificate=certificate,
        )
