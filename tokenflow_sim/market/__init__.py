"""The clearing core: a plain library of labelled markets, their linear program and its prices."""

from tokenflow_sim.market.arrays import Arrays
from tokenflow_sim.market.certificate import Certificate
from tokenflow_sim.market.clearer import Clearer, clear
from tokenflow_sim.market.clearing import Clearing
from tokenflow_sim.market.formulation import linopy_model
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.market.market import Market
from tokenflow_sim.market.own_limit import Limit, LimitView
from tokenflow_sim.market.prices import decompose
from tokenflow_sim.market.routing import Routing
from tokenflow_sim.market.settlement import Settlement, settle

__all__ = [
    "Arrays", "Certificate", "Clearer", "Clearing", "Layout", "Limit", "LimitView", "Market", "Routing", "Settlement",
    "clear", "decompose", "linopy_model", "settle",
]  # fmt: skip
