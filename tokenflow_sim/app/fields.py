"""The settings of a variant: fields whose faults are shown where they were typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import solara

from tokenflow_sim.app import edits as forms
from tokenflow_sim.app.board import Choice, Text
from tokenflow_sim.app.edits import MORE, SEED, SOURCE, Checked, Edits, Entry
from tokenflow_sim.scenario import Scenario, list_scenarios
from tokenflow_sim.scenario.places import path_of
from tokenflow_sim.strategies import registry

Put = Callable[[Callable[[Edits], Edits]], None]
"""Takes a change of what was typed: two fields may change before either is redrawn."""


@solara.component
def Settings(name: str, edits: Edits, checked: Checked, put: Put) -> None:
    """Show all that can be changed of a variant."""
    names = list_scenarios()
    sources = list(names) if edits.source in names else [edits.source, *names]

    def choose(source: str) -> None:
        put(lambda now: Edits(source, now.seed))

    with solara.Column(gap="2px", classes=["tf-settings"]):
        Choice(label=f"Scenario of {name}", values=sources, value=edits.source, event_put=choose)
        Fault(checked.faults.get(SOURCE))
        if checked.base is None:
            return
        Text(
            label="Seed",
            value=edits.seed,
            event_put=lambda text: put(lambda now: replace(now, seed=text)),
            fault=checked.faults.get(SEED, ""),
        )
        Fields(forms.general(checked.base), edits, checked.faults, put)
        with solara.Details("Strategies of providers", expand=True):
            Strategies(edits, checked, put)
        with solara.Details("Latency limits (empty: none)"):
            Fields(forms.latencies(checked.base), edits, checked.faults, put)
        if checked.base.compiled.layout.arcs.size:
            with solara.Details("Link capacities"):
                Fields(forms.capacities(checked.base), edits, checked.faults, put)
                Link(edits, checked, put)
        with solara.Details("Any other value", expand=MORE in checked.faults):
            Text(
                label="path = value, one a line",
                value=edits.more,
                event_put=lambda text: put(lambda now: replace(now, more=text)),
                rows=3,
            )
            Fault(checked.faults.get(MORE))


@solara.component
def Fault(text: str | None) -> None:
    """Say what is wrong, below the field where it was typed."""
    if text:
        solara.Text(text, classes=["tf-fault"])


@solara.component
def Fields(entries: list[Entry], edits: Edits, faults: Mapping[str, str], put: Put) -> None:
    """Show fields for text, with units."""
    for entry in entries:
        unit = f" [{entry.unit}]" if entry.unit else ""
        Text(
            label=f"{entry.label}{unit}",
            value=edits.values.get(entry.path, entry.base),
            event_put=lambda text, entry=entry: put(lambda now: now.put(entry.path, text, entry.base)),
            fault=faults.get(entry.path, ""),
        ).key(entry.path)


@solara.component
def Strategies(edits: Edits, checked: Checked, put: Put) -> None:
    """Choose a provider, its strategy, and the strategy's parameters."""
    assert checked.base is not None
    providers = list(checked.base.providers)
    chosen = solara.use_reactive(providers[0])
    provider = chosen.value if chosen.value in providers else providers[0]
    Choice(label="Provider", values=providers, value=provider, event_put=chosen.set)
    path = path_of(("providers", provider, "strategy", "name"))
    own = checked.base.providers[provider].strategy.name
    strategy = edits.values.get(path, own)
    names = registry.names("provider")
    # It names its provider: what is picked before the page is drawn for another provider is still this one's.
    Choice(
        label=f"Strategy of {provider}",
        values=names if strategy in names else [strategy, *names],
        value=strategy,
        event_put=lambda name: put(lambda now: now.put(path, name, own)),
    ).key(path)
    Fault(checked.faults.get(path))
    Fields(forms.strategy(checked.base, provider, strategy), edits, checked.faults, put)
    changes = _changes_text(checked.base, edits)
    if changes:
        solara.Text(f"Changed: {changes}", classes=["tf-quiet"])


def _changes_text(base: Scenario, edits: Edits) -> str:
    """Name the providers whose strategy is changed."""
    changed = [
        (
            name,
            edits.values.get(
                path_of(("providers", name, "strategy", "name")), base.providers[name].strategy.name
            ),
        )
        for name in base.providers
        if any(path.startswith(path_of(("providers", name, "strategy", ""))) for path in edits.values)
    ]
    return ", ".join(f"{name} plays {strategy}" for name, strategy in changed)


@solara.component
def Link(edits: Edits, checked: Checked, put: Put) -> None:
    """Choose one link, and its capacity."""
    assert checked.base is not None
    arcs = [str(arc) for arc in checked.base.compiled.layout.arcs]
    chosen = solara.use_reactive(arcs[0])
    arc = chosen.value if chosen.value in arcs else arcs[0]
    Choice(label="One link", values=arcs, value=arc, event_put=chosen.set)
    entry = forms.link(checked.base, arc)
    Fields([replace(entry, label=f"{arc}, empty: by rule")], edits, checked.faults, put)
