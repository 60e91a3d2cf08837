"""What happened in a run, period by period, as one Dataset in memory or in a file."""

from tokenflow_sim.ledger.files import load_results, save_results
from tokenflow_sim.ledger.ledger import Ledger
from tokenflow_sim.ledger.plan import FORMAT, FORMAT_VERSION, Plan, attributes

__all__ = ["FORMAT", "FORMAT_VERSION", "Ledger", "Plan", "attributes", "load_results", "save_results"]
