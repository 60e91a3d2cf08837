"""What agents do: one strategy a class, found by name (see `registry`); the contract is in `base`."""

from tokenflow_sim.strategies.base import History, Offer, Receipt, Strategy, View
from tokenflow_sim.strategies.demand import Bid, DemandReceipt, DemandStrategy, DemandView
from tokenflow_sim.strategies.network import NetworkReceipt, NetworkStrategy, NetworkView, Tender

__all__ = [
    "Bid",
    "DemandReceipt",
    "DemandStrategy",
    "DemandView",
    "History",
    "NetworkReceipt",
    "NetworkStrategy",
    "NetworkView",
    "Offer",
    "Receipt",
    "Strategy",
    "Tender",
    "View",
]
