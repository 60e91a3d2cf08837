"""Contract checks that users run on their own strategies and limits."""

from tokenflow_sim.testing.limit_contract import check_limit
from tokenflow_sim.testing.strategy_contract import check_strategy

__all__ = ["check_limit", "check_strategy"]
