"""The market as an environment for reinforcement learning: PettingZoo, Gymnasium, and many markets at once.

``gymnasium.make("tokenflow_sim/us5-v0")`` works once this is imported. Needs the extra `learning`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenflow_sim.env.parallel import ParallelMarket as ParallelMarket
    from tokenflow_sim.env.parallel import parallel_env as parallel_env
    from tokenflow_sim.env.rewards import Reward as Reward
    from tokenflow_sim.env.single import MarketEnv as MarketEnv
    from tokenflow_sim.env.vector import MarketVectorEnv as MarketVectorEnv
    from tokenflow_sim.strategies.action_encoding import Actions as Actions
    from tokenflow_sim.strategies.encoding import Encoding as Encoding

_HOME = {
    "Actions": "tokenflow_sim.strategies.action_encoding",
    "Encoding": "tokenflow_sim.strategies.encoding",
    "MarketEnv": "tokenflow_sim.env.single",
    "MarketVectorEnv": "tokenflow_sim.env.vector",
    "ParallelMarket": "tokenflow_sim.env.parallel",
    "Reward": "tokenflow_sim.env.rewards",
    "parallel_env": "tokenflow_sim.env.parallel",
}
__all__ = sorted(_HOME)

try:
    from tokenflow_sim.env.registration import register
except ModuleNotFoundError as error:
    if error.name not in ("gymnasium", "pettingzoo"):
        raise
    raise ModuleNotFoundError(
        f"{error.name} is not installed: environments need the extra `learning`,"
        " pip install 'tokenflow-sim[learning]'",
        name=error.name,
    ) from error
register()


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted({*globals(), *__all__})
