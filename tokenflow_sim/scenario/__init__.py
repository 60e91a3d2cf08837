"""Scenarios: files -> objects -> arrays, and the exogenous states of every period."""

from tokenflow_sim.scenario.compiled import Compiled
from tokenflow_sim.scenario.loading import list_scenarios, load_bundled, load_scenario
from tokenflow_sim.scenario.noise import DemandNoise
from tokenflow_sim.scenario.scenario import Scenario
from tokenflow_sim.scenario.state import State
from tokenflow_sim.scenario.synthetic import write_synthetic
from tokenflow_sim.scenario.template import write_template

__all__ = [
    "Compiled",
    "DemandNoise",
    "Scenario",
    "State",
    "list_scenarios",
    "load_bundled",
    "load_scenario",
    "write_synthetic",
    "write_template",
]
