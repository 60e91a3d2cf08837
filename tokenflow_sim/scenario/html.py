"""What a scenario shows in a notebook."""

from __future__ import annotations

from tokenflow_sim.market.html import MOST_ROWS, table
from tokenflow_sim.scenario.schema import ScenarioFields


def scenario_html(scenario: ScenarioFields) -> str:
    """Return a scenario's providers with their strategies, and its classes with their limits."""
    providers = list(scenario.providers.items())
    rows = [
        (
            name,
            provider.strategy.name,
            len(provider.assets),
            len({asset.node for asset in provider.assets}),
        )
        for name, provider in providers[:MOST_ROWS]
    ]
    rules = scenario.rules
    service = "must serve" if rules.must_serve else "partial service"
    power = ", shared power" if rules.shared_power else ""
    first = table(
        repr(scenario).strip("<>"), ("provider", "strategy", "assets", "nodes"), rows, count=len(providers),
        note=f"bandwidth: {rules.bandwidth}, {service}{power}; demand scale {scenario.demand.scale:g}",
    )  # fmt: skip
    classes = list(scenario.workloads.items())
    limits = [
        (
            name,
            "none" if workload.latency_limit is None else f"{workload.latency_limit:g}",
            f"{workload.payload:g}",
            "must serve" if rules.must_serve or workload.value is None else f"{workload.value:g}",
        )
        for name, workload in classes[:MOST_ROWS]
    ]
    second = table(
        "Workload classes", ("class", "latency limit [ms]", "payload [GB/Mtok]", "value [$/Mtok]"), limits,
        count=len(classes), note=scenario.description,
    )  # fmt: skip
    return f"<div>{first}{second}</div>"
