"""Measures of a run's results that market economists use: functions of a Dataset that return labelled arrays.

``docs/reference/measures.md`` has the formula and the source of each.
"""

from tokenflow_sim.study.measures.concentration import gini, hhi, profit_concentration, relevant_markets
from tokenflow_sim.study.measures.delivered import delivered_price_hhi, local_residual_supply_index
from tokenflow_sim.study.measures.emissions import abatement_cost, emissions
from tokenflow_sim.study.measures.grid import joint_gain, power_price_gain
from tokenflow_sim.study.measures.latency import delivered_latency, share_beyond
from tokenflow_sim.study.measures.markup import lerner, markup, offer_markup, price_markup
from tokenflow_sim.study.measures.money import revenue_adequacy, volatility
from tokenflow_sim.study.measures.pivotal import pivotal, residual_supply_index, shortfall_without
from tokenflow_sim.study.measures.reliability import reliability
from tokenflow_sim.study.measures.summary import market_power, mean_price, summarise
from tokenflow_sim.study.measures.welfare import deadweight_loss, price_of_anarchy, truthful, welfare_split

__all__ = [
    "abatement_cost",
    "deadweight_loss",
    "delivered_latency",
    "delivered_price_hhi",
    "emissions",
    "gini",
    "hhi",
    "joint_gain",
    "lerner",
    "local_residual_supply_index",
    "market_power",
    "markup",
    "mean_price",
    "offer_markup",
    "pivotal",
    "power_price_gain",
    "price_markup",
    "price_of_anarchy",
    "profit_concentration",
    "relevant_markets",
    "reliability",
    "residual_supply_index",
    "revenue_adequacy",
    "share_beyond",
    "shortfall_without",
    "summarise",
    "truthful",
    "volatility",
    "welfare_split",
]
