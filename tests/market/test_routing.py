"""Rules for whole paths: read by label, checked wholly, carried with the market."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest

import tokenflow_sim as tf
from tokenflow_sim.errors import MarketError
from tokenflow_sim.market import Market, Routing
from tokenflow_sim.market.limits import site_limit


def chain(**more):
    """Three nodes in a row, a - b - c, with two hops of 8 ms."""
    nodes = ["a", "b", "c"]
    arcs = ["ab", "bc"]
    routing = {"latency": pd.Series({"bc": 8.0, "ab": 8.0}), "limit": {"chat": 12.0}}
    more = {"routing": routing, "link_capacity": pd.Series({"ab": 5.0, "bc": 5.0})} | more
    return tf.Market(
        offer_price=pd.DataFrame({"chat": [30.0, 20.0, 10.0], "batch": [30.0, 20.0, 10.0]}, index=nodes),
        capacity=pd.DataFrame({"chat": [9.0] * 3, "batch": [9.0] * 3}, index=nodes),
        asset_node=dict(zip(nodes, nodes, strict=True)),
        demand=pd.DataFrame({"chat": [1.0] * 3, "batch": [1.0] * 3}, index=nodes),
        route_cost=pd.DataFrame({"chat": [1.0, 1.0], "batch": [1.0, 1.0]}, index=arcs),
        origin=pd.Series({"ab": "a", "bc": "b"}),
        destination=pd.Series({"ab": "b", "bc": "c"}),
        **more,
    )


def test_rules_are_read_by_label_and_stay_with_the_market():
    servers = {"batch": {"c": ["c"], "a": ["b", "a"]}}
    market = chain(
        routing={"latency": pd.Series({"bc": 3.0, "ab": 8.0}), "limit": {"chat": 12}, "servers": servers}
    )
    routing = market.arrays.routing
    assert routing.latency.tolist() == [8.0, 3.0]
    assert routing.limit.tolist() == [12.0, np.inf]
    assert routing.servers[0, 1].tolist() == [True, True, False]
    assert routing.needs_paths(3).tolist() == [[True, True], [True, False], [True, True]]
    assert market.replace(demand=market.demand * 2).arrays.routing is routing
    for other in (pickle.loads(pickle.dumps(market)), copy.deepcopy(market)):
        assert other.same_as(market)
        assert not other.arrays.routing.latency.flags.writeable
    assert not market.same_as(market.replace(routing=None))
    assert not market.same_as(market.replace(routing={"latency": 8.0, "limit": {"chat": 13.0}}))


def test_rules_stand_in_the_dataset_of_a_market_and_limits_are_refused_there():
    servers = {"batch": {"c": ["c"], "a": ["b", "a"]}}
    rules = {
        "latency": 8.0,
        "limit": {"chat": 12},
        "processing": {"a": 1, "b": 2, "c": 3},
        "servers": servers,
    }
    market = chain(routing=rules)
    dataset = market.to_dataset()
    again = tf.Market.from_dataset(dataset)
    assert again.same_as(market)
    assert np.array_equal(tf.clear(again).price, tf.clear(market).price)
    assert tf.Market.from_dataset(chain(routing=None).to_dataset()).arrays.routing is None
    with pytest.raises(MarketError, match=r"routing.servers.*labels of the market"):
        tf.Market.from_dataset(dataset.assign_coords(server=["c", "b", "a"]))
    site = site_limit(market.layout, np.ones((3, 2)), np.full(3, 9.0))
    limited = Market.from_arrays(market.layout, market.arrays.with_(limits=(site,)))
    assert limited.to_dataset().drop_attrs().identical(dataset.drop_attrs())
    with pytest.raises(MarketError, match=r"limits: stood in the market .* pickle the market"):
        tf.Market.from_dataset(limited.to_dataset())


def test_all_faults_of_rules_are_reported_at_once():
    with pytest.raises(MarketError) as caught:
        chain(
            routing={
                "latency": pd.Series({"ab": 8.0, "bd": 1.0}),
                "limit": {"caht": 12.0},
                "servers": {"chat": {"a": ["d"]}},
                "hops": 2,
            }
        )
    message = str(caught.value)
    for part in ("'bd'", "'caht'", "'chat'", "'d'", "'hops'", "routing.servers.chat.a"):
        assert part in message
    with pytest.raises(MarketError, match=r"not negative.*'bc'"):
        chain(routing={"latency": pd.Series({"ab": 8.0, "bc": -1.0})})
    with pytest.raises(MarketError, match=r"shape \(1,\) where \(2,\)"):
        chain(routing=Routing(latency=np.zeros(2), limit=np.zeros(1)))
