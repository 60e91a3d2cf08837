"""What a run's results look like, and what makes them again: variables, coordinates, attributes."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr

from tokenflow_sim.errors import Fault, InputError, ResultError, unknown_name
from tokenflow_sim.market import Layout
from tokenflow_sim.market.delivery import Delivery
from tokenflow_sim.market.grid_rows import BUS_BALANCE, CYCLE_LAW
from tokenflow_sim.market.limits import SharedCapacity
from tokenflow_sim.results.files import FORMAT, FORMAT_VERSION
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.scenario.contract_rules import Contracts
from tokenflow_sim.scenario.direction import direction_hint
from tokenflow_sim.scenario.grid_arrays import GridArrays
from tokenflow_sim.scenario.times import PeriodTimes
from tokenflow_sim.variables import (
    AVAILABILITY,
    BACKLOG,
    CONTRACTS,
    DELIVERY,
    EMISSIONS,
    GRID,
    LIMITS,
    MITIGATION,
    OPERATOR,
    REFERENCE,
    RESULT_COORDINATES,
    RESULTS,
    SLOPES,
    Variable,
)

STACK = ("highspy", "linopy", "mesa", "netcdf4", "numpy", "pandas", "scipy", "xarray")
"""Packages whose versions results name."""

_CHUNK_BYTES = 8_000_000
_CHUNK_PERIODS = 168
_TABLE = RESULTS | BACKLOG | SLOPES
"""Whatever a run may record."""


@dataclass(frozen=True, eq=False)
class Plan:
    """Shape of the results of one run.

    Parameters
    ----------
    layout : Layout
        Labels of the market.
    providers, owners : tuple of str
        Names along `provider` and `owner`.
    attrs : dict
        Attributes of the Dataset.
    record : iterable of str or None
        Names of the variables to record, of `variables.RESULTS`, `variables.BACKLOG` and `variables.SLOPES`; all of
        the first if None, and of the others where work waits, and what `slopes` names.
    has_backlog : bool
        Whether some region's strategy lets work wait.
    reference_price : ndarray or None
        The scenario's reference price in $/Mtok, dims (node, workload), where some region's strategy asks for it.
    limits : tuple of SharedCapacity
        Limits beyond those of links and of an asset's power, with any period's numbers.
    times : PeriodTimes or None
        When periods begin, where the scenario says so: results then have the coordinate `time`.
    carbon : tuple of str
        Which of `variables.EMISSIONS` the run knows.
    has_outages : bool
        Whether the scenario has outages, so that availabilities are recorded.
    grid : GridArrays or None
        The scenario's power grid.
    delivery : Delivery or None
        What is recorded of latencies and residency, where rules hold along whole paths.
    has_budget : bool
        Whether the pricing rule is another than ``lmp``, so that the operator's budget is recorded.
    contracts : Contracts or None
        The scenario's forward contracts.
    mitigates : bool
        Whether the scenario has market-power mitigation.
    slopes : tuple of str
        Which of `variables.SLOPES` some strategy has.

    Raises
    ------
    InputError
        If `record` names a variable that there is not.
    """

    layout: Layout
    providers: tuple[str, ...]
    owners: tuple[str, ...]
    attrs: dict[str, Any]
    record: tuple[str, ...] | None = None
    has_backlog: bool = False
    reference_price: np.ndarray[Any, Any] | None = None
    limits: tuple[SharedCapacity, ...] = ()
    times: PeriodTimes | None = None
    carbon: tuple[str, ...] = ()
    has_outages: bool = False
    grid: GridArrays | None = None
    delivery: Delivery | None = None
    has_budget: bool = False
    contracts: Contracts | None = None
    mitigates: bool = False
    slopes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the names to record, and leave out the limits that are the grid's: that has its own variables."""
        kept = tuple(limit for limit in self.limits if limit.name not in (BUS_BALANCE, CYCLE_LAW))
        object.__setattr__(self, "limits", kept)
        faults = [
            Fault(unknown_name("variable", name, list(self.table)), "record")
            for name in self.record or ()
            if name not in self.table
        ]
        if faults:
            raise InputError(faults, "list of variables to record")

    @cached_property
    def table(self) -> dict[str, Variable]:
        """Whatever this run may record."""
        table = _TABLE | {name: EMISSIONS[name] for name in self.carbon} if self.carbon else _TABLE
        table = table | AVAILABILITY if self.has_outages else table
        table = table | OPERATOR if self.has_budget else table
        table = table | MITIGATION if self.mitigates else table
        table = table if self.contracts is None else table | CONTRACTS
        if self.grid is not None:
            unknown = set() if self.grid.has_co2 else {"bus_intensity", "generator_emissions"}
            unknown |= set() if self.grid.pays_carbon else {"generator_carbon_payment"}
            unknown |= set() if self.grid.asks_marginal else {"marginal_intensity"}
            table = table | {name: row for name, row in GRID.items() if name not in unknown}
        if self.delivery is not None:
            table = table | DELIVERY
            if not self.delivery.rules:
                table = {name: row for name, row in table.items() if name != "residency_cost"}
        if not self.limits:
            return table
        rents = {}
        for limit in self.limits:
            dims = ("period", limit.dim) if limit.dim else ("period",)
            rents[limit.rent] = Variable(limit.rent, dims, limit.rent_unit, limit.meaning)
        held = ["reserve_payment"] if any(limit.held is not None for limit in self.limits) else []
        return table | {name: LIMITS[name] for name in ("price_limits", "limit_income", *held)} | rents

    @cached_property
    def variables(self) -> dict[str, Variable]:
        """The variables to record, in the order of the table."""
        unasked = (set(SLOPES) - set(self.slopes)) | (set() if self.has_backlog else set(BACKLOG))
        unasked |= {"submitted_slope"} if "offer_slope" in unasked else set()
        everything = set(self.table) - unasked
        wanted = everything if self.record is None else set(self.record)
        if self.has_budget and "payment" in wanted:  # which says that payments are not those of prices
            wanted = wanted | set(OPERATOR)
        if self.contracts is not None and "profit" in wanted:  # which is not all that providers earn then
            wanted = wanted | {"contract_income"}
        if "offer_price" in wanted:  # which is not what the next unit was offered at then
            wanted = wanted | ({"offer_slope"} & set(self.slopes))
        return {name: variable for name, variable in self.table.items() if name in wanted}

    @cached_property
    def backlog(self) -> tuple[str, ...]:
        """Which of `variables.BACKLOG` are to be recorded."""
        return tuple(name for name in BACKLOG if name in self.variables)

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Length of every dim but `period`."""
        own = {limit.dim: limit.size for limit in self.limits if limit.labels}
        counts = {"provider": len(self.providers), "owner": len(self.owners), "limit": len(self.limits)}
        if self.grid is not None:
            own |= {dim: len(labels) for dim, labels in self._grid_labels.items()}
        if self.delivery is not None:
            counts |= {"bound": len(self.delivery.bounds), "rule": len(self.delivery.rules)}
        if self.contracts is not None:
            counts["contract"] = len(self.contracts.names)
        return {**self.layout.sizes, **counts, **own}

    @property
    def _grid_labels(self) -> dict[str, tuple[str, ...]]:
        """Labels of the dims of the grid."""
        if self.grid is None:
            return {}
        grid = self.grid.template
        return {"bus": grid.buses, "generator": grid.generators, "line": grid.lines}

    def dims(self, name: str) -> tuple[str, ...]:
        """Return the dims of a variable here, `period` first, with `block` or `step` where the market has them."""
        return self.layout.dims_of(self.table[name])

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of one period of a variable."""
        return tuple(self.sizes[dim] for dim in self.dims(name)[1:])

    def full_shape(self, name: str) -> tuple[int, ...]:
        """Return that shape with block or step also where the market has none, of length one."""
        return tuple(self.sizes[dim] for dim in self.table[name].full_dims[1:])

    def attributes(self, name: str) -> dict[str, str]:
        """Return the attributes of a variable or coordinate."""
        table = self.table | REFERENCE
        if name in table:
            return table[name].attrs(self.layout.link_unit)
        more = self.times.attrs() if name == "time" and self.times is not None else {}
        return {"long_name": RESULT_COORDINATES.get(name, name.replace("_", " ")), **more}

    @cached_property
    def coords(self) -> dict[str, tuple[str, np.ndarray[Any, Any]]]:
        """All coordinates but `period`: name, dim, values."""
        layout = self.layout
        dims: dict[str, Iterable[Any]] = {
            "node": layout.nodes, "workload": layout.workloads, "asset": layout.assets, "arc": layout.arcs,
            "provider": self.providers, "owner": self.owners,
        }  # fmt: skip
        nodes = _text(layout.nodes)
        coords = {dim: (dim, _text(labels)) for dim, labels in dims.items()}
        coords["asset_node"] = ("asset", _text(nodes[layout.asset_node]))
        coords["asset_provider"] = ("asset", _text(layout.provider))
        coords["origin"] = ("arc", _text(nodes[layout.origin]))
        coords["destination"] = ("arc", _text(nodes[layout.destination]))
        coords["arc_owner"] = ("arc", _text(layout.owner))
        for dim, labels in (("block", layout.blocks), ("step", layout.steps)):
            if labels is not None:
                coords[dim] = (dim, np.arange(len(labels), dtype=np.int64))
        if self.delivery is not None:
            coords["bound"] = ("bound", self.delivery.bounds.copy())
            if self.delivery.rules:
                coords["rule"] = ("rule", _text(rule.label for rule in self.delivery.rules))
        if self.contracts is not None:
            found = self.contracts.labels(list(layout.nodes), list(layout.workloads))
            coords |= {name: ("contract", _text(labels)) for name, labels in found.items()}
        if self.limits:
            coords["limit"] = ("limit", _text(limit.name for limit in self.limits))
            coords["payee"] = ("limit", _text(limit.payee or "" for limit in self.limits))
        for limit in self.limits:
            if limit.labels:
                coords[limit.dim] = (limit.dim, _text(limit.labels))
        if self.grid is not None:
            coords |= {dim: (dim, _text(labels)) for dim, labels in self._grid_labels.items()}
            coords |= _places_on(self.grid)
        for _, labels_ in coords.values():  # every Dataset of the run shares them
            labels_.setflags(write=False)
        return coords

    @property
    def constants(self) -> dict[str, tuple[tuple[str, ...], np.ndarray[Any, Any]]]:
        """Numbers that hold for all periods, which results have as coordinates too: name, dims, values."""
        price = self.reference_price
        return {} if price is None else {name: (row.dims, price) for name, row in REFERENCE.items()}

    def time(self, periods: np.ndarray[Any, Any]) -> xr.Variable | None:
        """Return the coordinate `time` of periods; None where they have no dates."""
        if self.times is None:
            return None
        return xr.Variable(
            "period", self.times.at(periods), self.attributes("time"), encoding=self.times.encoding()
        )

    @cached_property
    def chunk(self) -> int:
        """Periods that are written together: a week, or fewer where that would be too large."""
        bytes_a_period = 8 * sum(int(np.prod(self.shape(name))) for name in self.variables)
        return int(np.clip(_CHUNK_BYTES // max(bytes_a_period, 1), 1, _CHUNK_PERIODS))

    def dataset(self, values: dict[str, np.ndarray[Any, Any]], first: int = 0) -> xr.Dataset:
        """Label values of all variables, dims (period, ...), from a first period on.

        Raises
        ------
        ResultError
            If no variable is recorded.
        """
        if not values:
            raise ResultError("no variable is recorded: name those to keep with record, price for example")
        periods = first + np.arange(len(next(iter(values.values()))), dtype=np.int64)
        coords: dict[str, Any] = {"period": ("period", periods)}
        coords |= self.coords | self.constants
        labels: dict[str, Any] = {
            name: (dim, array, self.attributes(name)) for name, (dim, array) in coords.items()
        }
        if (time := self.time(periods)) is not None:
            labels["time"] = time
        return xr.Dataset(
            {name: (self.dims(name), array, self.attributes(name)) for name, array in values.items()},
            labels,
            self.attrs,
        )


def _places_on(grid: GridArrays) -> dict[str, tuple[str, np.ndarray[Any, Any]]]:
    """Return the buses of generators, of the ends of lines, and of assets."""
    there, buses = grid.template, _text(grid.template.buses)
    return {
        "generator_bus": ("generator", buses[there.generator_bus]),
        "line_from": ("line", buses[there.from_bus]),
        "line_to": ("line", buses[there.to_bus]),
        "asset_bus": ("asset", buses[grid.asset_bus]),
    }


def attributes(scenario: Scenario, seed: int, link_unit: str) -> dict[str, Any]:
    """Return the attributes that let results be made again.

    Parameters
    ----------
    scenario : Scenario
        The scenario, whose text, every table in it, is among them; and a hint where its arcs seem to be drawn from
        plant to load, and what input and output tokens count where classes are made of them.
    seed : int
        The run's seed.
    link_unit : str
        Unit of link capacity.
    """
    hint = direction_hint(scenario.market())
    tokens = {
        name: item.tokens.model_dump() for name, item in scenario.workloads.items() if item.tokens is not None
    }
    return {
        "title": f"{scenario.name}, seed {seed}",
        "format": FORMAT,
        "format_version": np.int64(FORMAT_VERSION),
        # A file holds whole numbers of 64 bits; a longer seed is kept as text, which `rng` takes too.
        "seed": np.int64(seed) if seed < 2**63 else str(seed),
        "hours": np.float64(scenario.hours),
        "link_unit": link_unit,
        "tokenflow_sim_version": version("tokenflow-sim"),
        "versions": _versions(),
        **scenario.packed,
        **({"hint": hint} if hint else {}),
        **({"token_weights": json.dumps(tokens)} if tokens else {}),
    }


@cache
def _versions() -> str:
    found = {"python": platform.python_version(), **{package: version(package) for package in STACK}}
    return json.dumps(found)


@cache  # every answer of a worker carries them
def running_versions() -> str:
    """Return the versions of this package and of what it stands on, as one line."""
    return f"tokenflow_sim {version('tokenflow-sim')}, {_versions()}"


def _text(labels: Iterable[Any]) -> np.ndarray[Any, Any]:
    """Return labels as text of fixed width, as they come back from a file."""
    return np.array([str(label) for label in labels], dtype=np.str_)
