"""What the Clearer is measured against: raw HiGHS given the same updates, linopy rebuilt, PyPSA rebuilt."""

from __future__ import annotations

from typing import Any

import highspy
import numpy as np
from linopy.solvers import Solver as LinopySolver

from tokenflow_sim.market import Clearer, Market
from tokenflow_sim.market.formulation import linopy_model
from tokenflow_sim.market.program import Program

# What a user of HiGHS would set: nothing but silence and one thread. Its default tolerances are looser than ours.
_PLAIN = {"output_flag": False, "threads": 1}


class Labelled:
    """The package: labelled results and the certificate included."""

    def __init__(self, market: Market) -> None:
        self._clearer = Clearer(market)

    def __call__(self, market: Market) -> float:
        clearing = self._clearer.clear(market)
        for name in (
            "price",
            "dispatch",
            "flow",
            "unserved",
            "scarcity_rent",
            "power_rent",
            "congestion_rent",
        ):
            getattr(clearing, name)
        assert clearing.certificate.worst < 1e-7
        return clearing.values.cost


class RawHighs:
    """Highspy alone, without labels, price rule or certificate: hot dual simplex after bulk updates.

    Its vectors are made before the clock starts; reading values, duals and reduced costs back is timed.
    """

    def __init__(self, market: Market) -> None:
        program = self._program = Program(market)
        self._used = program.v.start  # without the shortfall columns, which are ours
        costs, upper, lower_rows, rows = self._vectors(market)
        matrix = program.matrix[:, : self._used].tocsc()
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = self._used, program.rows
        lp.col_cost_, lp.col_lower_, lp.col_upper_ = costs, np.zeros(self._used), upper
        lp.row_lower_, lp.row_upper_ = lower_rows, rows
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_, lp.a_matrix_.index_ = matrix.indptr, matrix.indices
        lp.a_matrix_.value_ = matrix.data
        highs: Any = highspy.Highs()
        for name, value in _PLAIN.items():
            highs.setOptionValue(name, value)
        highs.passModel(lp)
        highs.run()
        self._highs = highs
        self._columns = np.arange(self._used, dtype=np.int32)
        self._rows = np.arange(program.rows, dtype=np.int32)
        self._zero = np.zeros(self._used)

    def _vectors(self, market: Market) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        program, arrays = self._program, market.arrays
        costs = program.fill_costs(arrays, 0.0, np.empty(program.columns))[: self._used]
        upper = program.fill_limits(arrays, np.empty(program.columns))[: self._used]
        rows = program.fill_rows(arrays, np.empty(program.rows))
        lower = np.full(program.rows, -np.inf)
        lower[program.balance] = rows[program.balance]
        return costs, upper, lower, rows

    def prepare(self, market: Market) -> None:
        """Make the vectors of a market, outside the clock."""
        self._next = self._vectors(market)

    def __call__(self, market: Market) -> float:
        costs, upper, lower, rows = self._next
        highs = self._highs
        highs.changeColsCost(self._used, self._columns, costs)
        highs.changeColsBounds(self._used, self._columns, self._zero, upper)
        highs.changeRowsBounds(rows.size, self._rows, lower, rows)
        highs.run()
        solution = highs.getSolution()
        values = np.array(solution.col_value)
        np.array(solution.row_dual)
        np.array(solution.col_dual)
        return float(costs @ values)


class Rebuilt:
    """A labelled linopy model built and solved anew each period, as one would write it first."""

    def __call__(self, market: Market) -> float:
        model = linopy_model(market)
        solver = LinopySolver.from_name(
            "highs", model, io_api="direct", options=dict(_PLAIN), set_names=False
        )
        highs: Any = solver.solver_model
        highs.run()
        np.array(highs.getSolution().row_dual)
        return float(highs.getInfo().objective_function_value)


class Pypsa:
    """The same program in PyPSA: a bus a node and class, generators, links, and one constraint a shared link."""

    def __call__(self, market: Market) -> float:
        import pypsa

        network = pypsa.Network()
        network.set_snapshots([0])
        layout, arrays = market.layout, market.arrays
        buses = [f"{n}|{k}" for n in layout.nodes for k in layout.workloads]
        network.add("Bus", buses)
        network.add("Load", buses, bus=buses, p_set=arrays.demand.sum(axis=2).ravel())
        k = len(layout.workloads)
        at = np.array(buses).reshape(-1, k)
        offers = [f"{s}|{w}" for s in layout.assets for w in layout.workloads]
        network.add(
            "Generator", offers, bus=at[layout.asset_node].ravel(),
            p_nom=arrays.capacity.ravel(), marginal_cost=arrays.offer_price.ravel(),
        )  # fmt: skip
        shed = [f"shed|{bus}" for bus in buses]
        network.add(
            "Generator", shed, bus=buses, p_nom=arrays.demand.ravel(), marginal_cost=arrays.value.ravel()
        )
        flows = [f"{a}|{w}" for a in layout.arcs for w in layout.workloads]
        # A token routed from i to j is served at j: service flows the other way.
        network.add(
            "Link", flows, bus0=at[layout.destination].ravel(), bus1=at[layout.origin].ravel(),
            p_nom=np.where(arrays.allowed, 1e6, 0.0).ravel(), marginal_cost=arrays.route_cost.ravel(),
        )  # fmt: skip

        def share(n: Any, snapshots: Any) -> None:
            import xarray as xr

            use = xr.DataArray(arrays.link_use.ravel(), coords={"name": flows}, dims="name")
            arc = xr.DataArray(np.repeat(layout.arcs, k), coords={"name": flows}, dims="name", name="arc")
            load = (use * n.model["Link-p"].sel(snapshot=0)).groupby(arc).sum()
            limit = xr.DataArray(arrays.link_capacity, coords={"arc": list(layout.arcs)}, dims="arc")
            n.model.add_constraints(load <= limit.reindex(arc=load.indexes["arc"]), name="shared-links")
            if arrays.power_use is None:
                return
            draw = xr.DataArray(arrays.power_use.ravel(), coords={"name": offers}, dims="name")
            asset = xr.DataArray(
                np.repeat(layout.assets, k), coords={"name": offers}, dims="name", name="asset"
            )
            power = (draw * n.model["Generator-p"].sel(snapshot=0, name=offers)).groupby(asset).sum()
            most = xr.DataArray(arrays.power_limit, coords={"asset": list(layout.assets)}, dims="asset")
            n.model.add_constraints(power <= most.reindex(asset=power.indexes["asset"]), name="shared-power")

        network.optimize(extra_functionality=share, solver_name="highs", log_to_console=False, **_PLAIN)
        return float(network.objective)
