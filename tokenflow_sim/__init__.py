"""Agent-based simulation of the locational market for generative-AI services.

The public names, and nothing else; each is imported when it is first used, so that ``import tokenflow_sim`` is
quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenflow_sim import env as env
    from tokenflow_sim import importing as importing
    from tokenflow_sim import plot as plot
    from tokenflow_sim import testing as testing
    from tokenflow_sim.batch import Batch as Batch
    from tokenflow_sim.errors import CarbonCapError as CarbonCapError
    from tokenflow_sim.errors import CertificateError as CertificateError
    from tokenflow_sim.errors import DataError as DataError
    from tokenflow_sim.errors import InfeasibleError as InfeasibleError
    from tokenflow_sim.errors import InputError as InputError
    from tokenflow_sim.errors import MarketError as MarketError
    from tokenflow_sim.errors import ResultError as ResultError
    from tokenflow_sim.errors import ScenarioError as ScenarioError
    from tokenflow_sim.errors import StrategyError as StrategyError
    from tokenflow_sim.errors import TokenflowError as TokenflowError
    from tokenflow_sim.games.aggregative import AggregativeGame as AggregativeGame
    from tokenflow_sim.games.game import Game as Game
    from tokenflow_sim.games.tabulated import game as game
    from tokenflow_sim.market import Clearer as Clearer
    from tokenflow_sim.market import Clearing as Clearing
    from tokenflow_sim.market import Limit as Limit
    from tokenflow_sim.market import LimitView as LimitView
    from tokenflow_sim.market import Market as Market
    from tokenflow_sim.market import Settlement as Settlement
    from tokenflow_sim.market import clear as clear
    from tokenflow_sim.market import decompose as decompose
    from tokenflow_sim.market import linopy_model as linopy_model
    from tokenflow_sim.market import settle as settle
    from tokenflow_sim.market.marginal import marginal_emissions as marginal_emissions
    from tokenflow_sim.model import TokenMarket as TokenMarket
    from tokenflow_sim.results import load_results as load_results
    from tokenflow_sim.results import save_results as save_results
    from tokenflow_sim.results import to_frame as to_frame
    from tokenflow_sim.scenario import Scenario as Scenario
    from tokenflow_sim.scenario import list_scenarios as list_scenarios
    from tokenflow_sim.scenario import load_scenario as load_scenario
    from tokenflow_sim.scenario.merge import merge as merge
    from tokenflow_sim.strategies import Bid as Bid
    from tokenflow_sim.strategies import DemandReceipt as DemandReceipt
    from tokenflow_sim.strategies import DemandStrategy as DemandStrategy
    from tokenflow_sim.strategies import DemandView as DemandView
    from tokenflow_sim.strategies import NetworkReceipt as NetworkReceipt
    from tokenflow_sim.strategies import NetworkStrategy as NetworkStrategy
    from tokenflow_sim.strategies import NetworkView as NetworkView
    from tokenflow_sim.strategies import Offer as Offer
    from tokenflow_sim.strategies import Receipt as Receipt
    from tokenflow_sim.strategies import Strategy as Strategy
    from tokenflow_sim.strategies import Tender as Tender
    from tokenflow_sim.strategies import View as View
    from tokenflow_sim.strategies.learned_policy import LearnedBid as LearnedBid
    from tokenflow_sim.strategies.learned_policy import LearnedPolicy as LearnedPolicy
    from tokenflow_sim.strategies.learned_policy import LearnedTariff as LearnedTariff
    from tokenflow_sim.study.carbon_cap import WindowCap as WindowCap
    from tokenflow_sim.study.carbon_cap import carbon_cap as carbon_cap
    from tokenflow_sim.study.compare import compare as compare
    from tokenflow_sim.study.cournot import cournot as cournot
    from tokenflow_sim.study.equilibrium import equilibrium as equilibrium
    from tokenflow_sim.study.sensitivity import sensitivity as sensitivity
    from tokenflow_sim.study.supply_function import supply_function_equilibrium as supply_function_equilibrium
    from tokenflow_sim.study.sweep import sweep as sweep
    from tokenflow_sim.study.swept import load_sweep as load_sweep
    from tokenflow_sim.study.tournament import tournament as tournament

    __version__: str

_MODULES = ("env", "importing", "plot", "testing")
_NAMES: dict[str, tuple[str, ...]] = {
    "errors": (
        "CarbonCapError", "CertificateError", "DataError", "InfeasibleError", "InputError", "MarketError",
        "ResultError", "ScenarioError", "StrategyError", "TokenflowError",
    ),
    "batch": ("Batch",),
    "games.aggregative": ("AggregativeGame",),
    "games.game": ("Game",),
    "games.tabulated": ("game",),
    "results": ("load_results", "save_results", "to_frame"),
    "market": (
        "Clearer", "Clearing", "Limit", "LimitView", "Market", "Settlement", "clear", "decompose", "linopy_model",
        "settle",
    ),
    "market.marginal": ("marginal_emissions",),
    "model": ("TokenMarket",),
    "scenario": ("Scenario", "list_scenarios", "load_scenario"),
    "scenario.merge": ("merge",),
    "strategies": (
        "Bid", "DemandReceipt", "DemandStrategy", "DemandView", "NetworkReceipt", "NetworkStrategy", "NetworkView",
        "Offer", "Receipt", "Strategy", "Tender", "View",
    ),
    "strategies.learned_policy": ("LearnedBid", "LearnedPolicy", "LearnedTariff"),
    "study.carbon_cap": ("WindowCap", "carbon_cap"),
    "study.compare": ("compare",),
    "study.cournot": ("cournot",),
    "study.supply_function": ("supply_function_equilibrium",),
    "study.sensitivity": ("sensitivity",),
    "study.sweep": ("sweep",),
    "study.swept": ("load_sweep",),
    "study.equilibrium": ("equilibrium",),
    "study.tournament": ("tournament",),
}  # fmt: skip
_HOME = {name: module for module, names in _NAMES.items() for name in names}

# `env` needs the extra `learning`: a star import brings what the core has.
__all__ = sorted([*_HOME, *(name for name in _MODULES if name != "env"), "__version__"])


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name in _HOME:
        value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    elif name == "__version__":
        from importlib.metadata import version

        value = version("tokenflow-sim")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted({*globals(), *__all__})
