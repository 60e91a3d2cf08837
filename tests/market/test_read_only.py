"""Arrays that a user can reach are read-only, so that nothing written to one is silently ignored."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import tokenflow_sim as tf
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.strategies.markups import MarginalCost

SMALL = {"periods": 3, "demand.scale": 20}


def reachable(
    thing: Any, path: str, seen: dict[int, Any] | None = None
) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Walk public attributes, items and fields, and give every array with the way that leads to it."""
    seen = {} if seen is None else seen
    if id(thing) in seen or isinstance(thing, (str, bytes, type, np.generic, np.random.Generator)):
        return
    seen[id(thing)] = thing  # kept, since what a property makes would leave its id to the next
    if isinstance(thing, np.ndarray):
        yield path, thing
    elif isinstance(thing, (xr.DataArray, xr.Dataset)):
        if isinstance(thing, xr.DataArray) and thing.name not in thing.indexes:
            yield path, thing.values
        for name, coord in thing.coords.items():
            if name not in thing.indexes:
                yield f"{path}.{name}", coord.values
    elif isinstance(thing, Mapping):
        for key, value in thing.items():
            yield from reachable(value, f"{path}[{key!r}]", seen)
    elif isinstance(thing, (list, tuple)):
        for number, value in enumerate(thing):
            yield from reachable(value, f"{path}[{number}]", seen)
    elif type(thing).__module__.startswith("tokenflow_sim") and not isinstance(thing, pd.Index):
        names = {
            name for kind in type(thing).__mro__ for name, value in vars(kind).items() if not callable(value)
        }
        names |= set(getattr(thing, "__dict__", ()))
        names |= {field.name for field in fields(thing)} if is_dataclass(thing) else set()
        for name in sorted(names):
            if not name.startswith(("_", "model")):  # pydantic's own, and agents' way back
                yield from reachable(getattr(thing, name, None), f"{path}.{name}", seen)


def writable(thing: Any, path: str) -> list[str]:
    """Return the ways to arrays that can be written to; there has to be some array at all."""
    found = list(reachable(thing, path))
    assert found
    return [where for where, array in found if array.size and array.flags.writeable]


@pytest.fixture(scope="module")
def market() -> tf.Market:
    """Return a market with network."""
    return tf.load_scenario("us5").market(0)


@pytest.mark.parametrize("twin", [lambda it: it, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_markets_and_clearings(market: tf.Market, twin: Any) -> None:
    taken = twin(market)
    clearing = twin(tf.clear(taken))
    assert writable(taken, "market") == []
    assert writable(clearing, "clearing") == []
    assert writable(tf.settle(taken, clearing), "settlement") == []
    named = {name: taken[name] for name, _ in taken.arrays.items()}
    assert writable(named, "market") == []
    with pytest.raises(ValueError, match=r"read-only|copy"):
        taken.demand.loc[{"node": taken.demand.node[0]}] = 1.0


def test_what_a_market_is_made_of_from_plain_arrays(market: tf.Market) -> None:
    demand = np.array(market.arrays.demand)
    made = tf.Market.from_arrays(market.layout, market.arrays.with_(demand=demand))
    with pytest.raises(ValueError, match="read-only"):
        demand[0] = 1.0
    assert writable(made, "market") == []
    own = np.array(market.layout.asset_node)
    parts = {field.name: getattr(market.layout, field.name) for field in fields(Layout)}
    layout = Layout(**parts | {"asset_node": own})
    own[:] = own[::-1]
    assert layout == market.layout


def test_views_receipts_and_models() -> None:
    seen: list[tuple[str, Any]] = []

    class Curious(MarginalCost):
        """Keeps what it is shown."""

        def offer(self, view: tf.View) -> tf.Offer:
            seen.append(("view", view))
            return super().offer(view)

        def learn(self, receipt: Any) -> None:
            seen.append(("receipt", receipt))

    scenario = tf.load_scenario("us5").override(SMALL)
    model = tf.TokenMarket(scenario, rng=1, strategies={next(iter(scenario.providers)): Curious()})
    model.run()
    assert {path for path, _ in seen} == {"view", "receipt"}
    assert sorted({where for path, thing in seen for where in writable(thing, path)}) == []
    assert writable(model.clearing_house, "house") == []
    assert writable(model.settings.compiled, "compiled") == []
