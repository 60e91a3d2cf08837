"""The market's agents, as Mesa knows them."""

from tokenflow_sim.agents.clearing_house import ClearingHouse
from tokenflow_sim.agents.owner import NetworkOwner
from tokenflow_sim.agents.participant import Horizon, Participant
from tokenflow_sim.agents.provider import ComputeProvider
from tokenflow_sim.agents.region import DemandRegion

__all__ = ["ClearingHouse", "ComputeProvider", "DemandRegion", "Horizon", "NetworkOwner", "Participant"]
