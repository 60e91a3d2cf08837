"""The market's agents, as Mesa knows them."""

from tokenflow_sim.agents.clearing_house import ClearingHouse
from tokenflow_sim.agents.participant import Participant, RunInfo
from tokenflow_sim.agents.participants import ComputeProvider, DemandRegion, NetworkOwner

__all__ = ["ClearingHouse", "ComputeProvider", "DemandRegion", "NetworkOwner", "Participant", "RunInfo"]
