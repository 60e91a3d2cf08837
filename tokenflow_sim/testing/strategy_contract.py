"""The contract of strategies: what `tf.testing.check_strategy` checks."""

from __future__ import annotations

import inspect
import pickle
import random
import textwrap
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from tokenflow_sim.errors import InputError, StrategyError, TokenflowError
from tokenflow_sim.market import Clearer
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.scenario import Scenario
from tokenflow_sim.strategies.base import BaseStrategy, Kind, parameters
from tokenflow_sim.strategies.registry import find
from tokenflow_sim.testing.state_contract import state_faults

_PERIODS = 16
_SUBMITTED = ("offer_price", "capacity", "demand", "value", "route_cost", "link_capacity")
# By the name of their attribute that says that they have one.
_SLOPES = {"offers_slopes": "offer_slope", "bids_slopes": "value_slope"}
_AGENT: dict[Kind, str] = {"provider": "tested", "owner": "tested_owner", "region": "tested_region"}
# Small, yet with all that trips a strategy up: two sites and two vintages, a class that one of them cannot run,
# outages to zero, no demand for a class at a node, noise, lost service, a link without capacity for a while.
_SCENARIO = """
format: 1
name: contract
periods: 16
market: {bandwidth: physical, must_serve: false}
demand:
  scale: 1
  hourly: {chat: [1, 1, 1, 1, 0, 0, 2, 2, 4, 4, 2, 1, 1, 1, 2, 3, 1, 1, 1, 1, 1, 1, 1, 1]}
  noise: {volatility: {chat: 0.3, image: 0.2}, persistence: 0.5, common: 0.5}
workloads:
  chat: {base_demand: 2000000, payload: 0.5, latency_limit: 50, value: 10}
  image: {base_demand: 100000, payload: 10, value: 500}
nodes:
  east: {latitude: 39, longitude: -77, power_mw: 1000, electricity_price: 0.08, demand_weight: 1}
  west: {latitude: 37, longitude: -122, power_mw: 600, electricity_price: 0.18, demand_weight: 1.5}
  middle: {latitude: 41, longitude: -87, power_mw: 800, electricity_price: 0.05, demand_weight: 0.1}
network: {max_distance: 9000, capacity: 0.5, tariff: 0.01}
electricity:
  hourly: {west: [1, 1, 1, 1, 1, 1, 2, 2, 1, 1, 0, 0, 0, 1, 1, 2, 3, 3, 2, 1, 1, 1, 1, 1]}
hardware:
  new: {throughput: {chat: 5000, image: 200}, energy: {chat: 1, image: 500}, running_cost: 10}
  old: {throughput: {chat: 2000}, energy: {chat: 3}, running_cost: 5}
providers:
  tested:
    assets:
      - {node: east, hardware: new, power_mw: 200}
      - {node: west, hardware: old, power_mw: 150}
      - {node: middle, hardware: new, power_mw: 100}
  rival:
    assets:
      - {node: east, hardware: new, power_mw: 150}
      - {node: west, hardware: new, power_mw: 200}
owners:
  tested_owner: {owns: [east, middle]}
  other_owner: {owns: rest}
regions:
  tested_region: {nodes: [west, middle]}
  other_region: {nodes: [east]}
outages:
  - {provider: tested, node: east, first: 3, last: 4}
  - {provider: tested, first: 9, last: 9}
  - {arc: east->middle, first: 5, last: 6}
"""


def check_strategy(strategy: type[BaseStrategy] | BaseStrategy | str, /, **given: Any) -> None:
    """Check that a strategy keeps to the contract; the test that every built-in one passes.

    It plays the strategy in small markets, against truthful agents, through outages, spikes and hours without
    demand, and checks that

    - it has a docstring, which lists all parameters if it lists any, and these have annotations and defaults and are
      kept as attributes;
    - every submission is one that the market takes: finite, none but offer prices negative, no capacity beyond
      what exists;
    - it says so where it submits slopes, which results then record;
    - the same seed gives the same submissions, whatever Python's and NumPy's global random numbers are, and
      whatever other objects of its class did before;
    - it can be pickled before, during and after a run, and goes on as it would have;
    - its state can be saved and restored into a fresh object, which goes on as it would have;
    - where its class says ``follows_state = True``, what it submits depends, row by row, on its parameters and the two
      numbers alone.

    Parameters
    ----------
    strategy : type, object or str
        The strategy of a provider, an owner or a region: its class, an object (which is left as it is), or its
        name; ``module:Class`` imports that module.
    **given
        Parameters to make it with, where no object is given.

    Raises
    ------
    AssertionError
        Listing all that was found, each with the period and the numbers.

    Examples
    --------
    >>> from tokenflow_sim.strategies.markups import FixedMarkup
    >>> check_strategy(FixedMarkup, markup=0.3)
    """
    if isinstance(strategy, str):
        strategy = _find(strategy)
    cls = strategy if inspect.isclass(strategy) else type(strategy)
    if not issubclass(cls, BaseStrategy) or getattr(cls, "kind", None) not in _AGENT:
        raise AssertionError(f"{cls!r} derives from none of Strategy, NetworkStrategy and DemandStrategy")
    found = _form(cls)
    try:
        made = pickle.loads(pickle.dumps(strategy(**given) if inspect.isclass(strategy) else strategy))
    except Exception as error:
        raise AssertionError(_listed(cls, [*found, f"it cannot be made and pickled: {error!r}"])) from error
    lost = [name for name in parameters(cls) if not hasattr(made, name)]
    found += [f"its parameter {name!r} is not kept as an attribute" for name in lost]
    for market in ("plain", "shared power"):
        try:
            found += [f"{market} market: {text}" for text in _behaviour(made, market)]
        except Exception as error:
            raise AssertionError(_listed(cls, [*found, f"{market} market: {_first_lines(error)}"])) from error
    if found:
        raise AssertionError(_listed(cls, found))


def _find(name: str) -> type[BaseStrategy]:
    """Find a strategy by name, whatever its kind."""
    faults = []
    for kind in _AGENT:
        try:
            return find(kind, name, allow_code=True)
        except StrategyError as error:
            faults.append(str(error))
    raise AssertionError("\n".join(faults))


def _form(cls: type[BaseStrategy]) -> list[str]:
    """Check how a strategy is written."""
    found = []
    doc = inspect.getdoc(cls) or ""
    if not doc or cls.__doc__ is None:
        found.append("it has no docstring")
    for name, parameter in parameters(cls).items():
        if parameter.annotation is parameter.empty:
            found.append(f"its parameter {name!r} has no annotation")
        if parameter.default is parameter.empty:
            found.append(f"its parameter {name!r} has no default")
        # A docstring of one line is enough; one that lists parameters must list them all.
        if "Parameters\n---" in doc and f"{name} :" not in doc:
            found.append(f"its docstring does not describe the parameter {name!r} (as '{name} : type')")
    return found


def _behaviour(strategy: BaseStrategy, market: str) -> list[str]:
    """Check what a strategy does in one market."""
    found = []
    np.random.seed(1)  # noqa: NPY002 - the global stream is what must not matter
    random.seed(1)
    seen: list[Any] = []
    first = _run_model(_model(strategy, market), _PERIODS, seen, strategy.kind)
    np.random.seed(2)  # noqa: NPY002
    random.seed(2)
    if difference := _compare(first, _run_model(_model(strategy, market), _PERIODS)):
        found.append(
            f"the same seed gave another submission ({difference}): draw random numbers from view.rng only, and keep"
            " nothing on the class or in the module"
        )
    for says, name in _SLOPES.items():
        if not getattr(strategy, says, False) and any(name in one for one in first):
            found.append(f"it submits slopes, which results then lack: say so in `{says}`")
    half = _PERIODS // 2
    model = _model(strategy, market)
    before = _run_model(model, half)
    saved = pickle.loads(pickle.dumps(model.get_state()))
    agent = _agent(model, strategy.kind)
    agent.strategy = pickle.loads(pickle.dumps(agent.strategy))
    if difference := _compare(first, [*before, *_run_model(model, _PERIODS - half)]):
        found.append(f"once pickled in the middle of a run it went on otherwise ({difference})")
    fresh = _model(strategy, market)
    fresh.set_state(saved)
    if difference := _compare(first[half:], _run_model(fresh, _PERIODS - half), half):
        found.append(
            f"restored from its saved state it went on otherwise ({difference}): what get_state returns must hold all"
            " that it remembers"
        )
    if vars(type(strategy)).get("follows_state", False):
        found += state_faults(strategy, seen)
    return found


@cache
def _scenario(market: str) -> Scenario:
    scenario = Scenario.from_yaml(textwrap.dedent(_SCENARIO))
    return scenario.override({"market.shared_power": True}) if market == "shared power" else scenario


_clearers: dict[tuple[str, int, int], Clearer] = {}


def _model(strategy: BaseStrategy, market: str) -> TokenMarket:
    key = (market, getattr(strategy, "blocks", 1), getattr(strategy, "steps", 1))
    clearer = _clearers.get(key)
    model = TokenMarket(
        _scenario(market),
        rng=7,
        strategies={_AGENT[strategy.kind]: strategy},
        record=["price"],
        clearer=clearer,
    )
    if clearer is not None:
        return model
    # Building a Clearer takes longer than all periods, and results do not depend on what it cleared before.
    model.step()
    made = model.clearing_house.clearer
    if made is not None:
        _clearers[key] = made
    return _model(strategy, market)


def _agent(model: TokenMarket, kind: Kind) -> Any:
    agents: Mapping[Kind, Any] = {"provider": model.providers, "owner": model.owners, "region": model.regions}
    return agents[kind][_AGENT[kind]]


def _run_model(
    model: TokenMarket, periods: int, seen: list[Any] | None = None, kind: Kind = "provider"
) -> list[dict[str, Any]]:
    """Play some periods; return what was submitted in each, and add what the strategy saw to a list."""
    submitted = []
    for _ in range(periods):
        if seen is not None:
            seen.append(model.view(_AGENT[kind]))
        model.step()
        if model.clearing is not None:
            arrays = model.clearing.market.arrays
            slopes = {
                name: slope for name in _SLOPES.values() if (slope := getattr(arrays, name)) is not None
            }
            submitted.append({name: getattr(arrays, name) for name in _SUBMITTED} | slopes)
    return submitted


def _compare(first: list[dict[str, Any]], second: list[dict[str, Any]], start: int = 0) -> str:
    """Say where two runs first differ; an empty text if nowhere."""
    for period, (one, other) in enumerate(zip(first, second, strict=True), start):
        if set(one) != set(other):
            return f"period {period}: with {', '.join(set(one) ^ set(other))}, and without"
        for name in one:
            if not np.array_equal(one[name], other[name]):
                spot = tuple(np.argwhere(one[name] != other[name])[0])
                return f"period {period}, {name}: {one[name][spot]:.6g}, then {other[name][spot]:.6g}"
    return ""


def _first_lines(error: Exception) -> str:
    notes = " ".join(getattr(error, "__notes__", ()))
    kind = "" if isinstance(error, (TokenflowError, InputError)) else f"{type(error).__name__}: "
    return f"{kind}{error}" + (f" ({notes})" if notes else "")


def _listed(cls: type[Any], found: list[str]) -> str:
    lines = "\n".join(f"  - {text}" for text in found)
    return f"strategy {cls.__name__} does not keep to the contract:\n{lines}"
