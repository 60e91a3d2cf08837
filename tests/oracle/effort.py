"""How many random markets the tests try: few and always the same ones, or many and new ones.

``TOKENFLOW_EXAMPLES=20 pytest tests/market`` tries twenty times as many, drawn afresh every time, and shrinks
what fails to the smallest market that does, which may take minutes.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, note, settings

from tokenflow_sim.market.market import Market

FACTOR = int(os.environ.get("TOKENFLOW_EXAMPLES", "1"))
REPEATABLE = (Phase.explicit, Phase.generate)


def effort(examples: int) -> settings:
    """Return settings for a test that clears a few markets per example."""
    return settings(
        max_examples=examples * FACTOR,
        derandomize=FACTOR == 1,
        phases=REPEATABLE if FACTOR == 1 else (*REPEATABLE, Phase.shrink),
        deadline=None,
        database=None,
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.large_base_example,
        ],
    )


def tell(market: Market) -> None:
    """Show a market's numbers with the failure that it causes."""
    layout = market.layout
    lines = [
        f"asset_node {layout.asset_node}, arcs {list(zip(layout.origin, layout.destination, strict=True))}"
    ]
    lines += [f"{name} {values.tolist()}" for name, values in market.arrays.items()]
    note("\n".join(lines))
