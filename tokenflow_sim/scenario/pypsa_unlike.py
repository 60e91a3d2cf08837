"""What of a PyPSA network has no counterpart in a scenario's grid, and what is wrong with it as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from tokenflow_sim.numeric import Bools, Floats
from tokenflow_sim.scenario.grid_pypsa import active, edges_of, has_odd_losses
from tokenflow_sim.scenario.series import listed as shown
from tokenflow_sim.scenario.time_axis import HOUR


def unlike(network: Any) -> dict[str, str]:
    """Return what of a network has no counterpart in a scenario's grid: how much of it, by the name in `ignore`."""
    found: dict[str, str] = {}
    for name, text in _unlike(network):
        found[name] = f"{found[name]}, {text}" if name in found else text
    return found


def faults_of_network(network: Any) -> Iterator[str]:
    """Yield what PyPSA itself could not optimise: components at buses that do not exist, and series with gaps."""
    if getattr(network, "has_scenarios", False):
        yield "is stochastic, of several scenarios: give one of them (n.get_scenario)"
        return
    buses = set(network.buses.index)
    for what in ("generators", "loads", "lines", "transformers", "links"):
        frame = getattr(network, what)
        for column in [name for name in ("bus", "bus0", "bus1") if name in frame]:
            lost = ~frame[column].isin(buses)
            if lost.any():
                where = dict.fromkeys(map(str, frame[column][lost]))
                yield f"has no bus {shown(list(where))}: {column} of {what} {shown(frame.index[lost])}"
    for attribute in ("p_max_pu", "p_min_pu", "marginal_cost"):
        # Loads may have gaps: PyPSA takes them for zero, and so does the sum by bus.
        values = network.get_switchable_as_dense("Generator", attribute)
        gaps = values.isna().any()
        if gaps.any():
            yield f"has no value in some snapshots: {attribute} of generators {shown(values.columns[gaps])}"


def _unlike(network: Any) -> Iterator[tuple[str, str]]:
    for name in ("storage_units", "stores", "global_constraints", "shunt_impedances", "processes"):
        frame = getattr(network, name, None)
        if frame is not None and len(frame):
            yield name, shown(frame.index)
    generators, links = active(network.generators), active(network.links)
    branches = [("lines", active(network.lines)), ("transformers", active(network.transformers))]
    for what, frame in (("generators", generators), ("links", links)):
        yield from _which("committable", what, frame, "committable", lambda column: column.astype(bool))
        for column in ("ramp_limit_up", "ramp_limit_down"):
            yield from _which("ramp_limits", what, frame, column, lambda one: one.notna() & (one < 1))
            yield from _series("ramp_limits", what, network, column)
        yield from _which("extendable", what, frame, "p_nom_extendable", lambda column: column.astype(bool))
        yield from _which("quadratic_costs", what, frame, "marginal_cost_quadratic", lambda one: one != 0)
        yield from _series("quadratic_costs", what, network, "marginal_cost_quadratic")
        yield from _which("fixed_operation", what, frame, "p_set", lambda one: one.notna() & (one != 0))
        yield from _series("fixed_operation", what, network, "p_set")
    for what, frame in branches:
        yield from _which("extendable", what, frame, "s_nom_extendable", lambda column: column.astype(bool))
        yield from _series("line_series", what, network, "s_max_pu")
    for column in ("p_max_pu", "p_min_pu", "efficiency", "marginal_cost"):
        yield from _series("line_series", "links", network, column)
    yield from _which("energy_limits", "generators", generators, "e_sum_min", lambda one: one > -np.inf)
    yield from _which("energy_limits", "generators", generators, "e_sum_max", lambda one: one < np.inf)
    yield from _which("signs", "generators", generators, "sign", lambda one: one <= 0)
    for what, frame in (("generators", generators), ("links", links)):
        yield from _which("maintenance", what, frame, "maintainable", lambda one: one.astype(bool))
    yield from _which("delays", "links", links, "delay", lambda one: one != 0)
    for what, frame in branches:
        yield from _which("angle_limits", what, frame, "v_ang_max", lambda one: one < np.inf)
    shifting = active(network.transformers)
    # PyPSA takes the shift of a transformer with a type from that.
    typed = shifting["type"].map(network.transformer_types["phase_shift"])
    shifting = shifting.assign(phase_shift=typed.fillna(shifting["phase_shift"]))
    for column in ("phase_shift", "phase_shift_min", "phase_shift_max"):
        yield from _which("phase_shifts", "transformers", shifting, column, lambda one: one != 0)
        yield from _series("phase_shifts", "transformers", network, column)
    lowest = network.get_switchable_as_dense("Generator", "p_min_pu").min()
    if (lowest < 0).any():
        yield "negative_minimum", f"p_min_pu of generators {shown(lowest.index[lowest < 0])}"
    yield from _odd_links(links)
    hours = _hours(network)
    weights = network.snapshot_weightings["objective"].to_numpy(dtype=float)
    if hours is not None and not np.allclose(weights, hours):
        yield "weightings", "snapshots that count for another time than lies between them"


def _odd_links(links: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """Yield links that lose power both ways, must carry some, or have several outputs."""
    if not len(links):
        return
    odd = has_odd_losses(links)
    if odd.any():
        yield "losses", f"losses or costs both ways, or gains, of links {shown(links.index[odd])}"
    must = links["p_min_pu"] > 0
    if must.any():
        yield "negative_minimum", f"p_min_pu above zero of links {shown(links.index[must])}"
    for column in links.columns:
        more = str(column).removeprefix("bus")
        if str(column).startswith("bus") and more.isdecimal() and int(more) > 1:
            some = links[column].astype(str).str.strip().isin(["", "nan", "None"])
            if not some.all():
                yield "outputs", f"{column} of links {shown(links.index[~some])}"


def _which(
    name: str, what: str, frame: pd.DataFrame, column: str, test: Callable[[pd.Series[Any]], pd.Series[bool]]
) -> Iterator[tuple[str, str]]:
    """Yield the components whose number in a column passes a test."""
    if column not in frame or not len(frame):
        return
    hit: Bools = test(frame[column]).to_numpy(dtype=bool)
    if hit.any():
        yield name, f"{column} of {what} {shown(frame.index[hit])}"


def _series(name: str, what: str, network: Any, column: str) -> Iterator[tuple[str, str]]:
    """Yield the components that have a series of an attribute."""
    frame = getattr(network, f"{what}_t").get(column)
    if frame is not None and frame.notna().any(axis=None):
        yield name, f"series {column} of {what} {shown(frame.columns)}"


def _hours(network: Any) -> Floats | None:
    edges = None if isinstance(network.snapshots, pd.MultiIndex) else edges_of(network)
    return None if edges is None else np.diff(edges) / HOUR
