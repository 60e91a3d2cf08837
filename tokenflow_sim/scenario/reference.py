"""The reference page of the scenario format, made from the schema: ``python -m tokenflow_sim.scenario.reference``."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, Tag
from pydantic.fields import FieldInfo

from tokenflow_sim.scenario.fields import LimitSpec, Name, Part, Spec, StrategySpec
from tokenflow_sim.scenario.places import unwrap
from tokenflow_sim.scenario.schema import ScenarioFields
from tokenflow_sim.scenario.series import NodeSeries, PeriodSeries
from tokenflow_sim.scenario.series_file import SeriesFile

HEAD = """\
# The scenario format

<!-- Made from the schema in tokenflow_sim/scenario/ by docs/make_reference.py; change it there. -->

A scenario is a folder with a `scenario.yaml` and any CSV tables that it names. `tokenflow new DIR` writes a small one
with comments, `tokenflow validate DIR` checks one; [Make a scenario of your own](../how-to/own-scenario.md) walks
through it. Only `format`, `name`, `workloads`, `nodes`, `hardware` and `providers` are needed.

## Rules of the files

- **YAML** is read by the core schema of YAML 1.2: `1e6` is a number, `no` is a word. Anchors and aliases work; tags
  and merge keys do not. A key may stand once.
- **Tables** may be inline (as the field's type says), a list of rows, CSV text, or the path of a CSV file in the
  scenario's folder or below it. CSV has a header, commas and decimal points; empty lines and lines that begin
  with `#` are skipped; an empty cell means that the row leaves the field out. UTF-8, any line ends.
- **Names** are at most 64 letters, digits, inner spaces or any of `_ - . & # ( ) ' + /`, and begin with a letter, a
  digit or `_`. An arc is called `origin->destination` and an asset `provider/node/hardware`, unless it has a name of
  its own; so the names of nodes, providers and hardware have no `/`. Two names of one section that look alike and are
  spelt with letters of two alphabets are refused.
- **Numbers** are finite and at most 1e12. One message reports all faults of all files.
- **Dotted paths** name every value: `demand.scale`, `nodes.dallas.power_mw`, `providers.atlas.assets[2].power_mw`,
  `network.arcs.dallas->chicago.capacity` (also of an arc that a rule makes), `demand.hourly.chat[20]`,
  `electricity.series[5].dallas`, `providers.atlas.strategy.markup`. `--set PATH=VALUE` on the command line and
  `scenario.override({path: value})` in Python take them. A name with dots stands in quotes:
  `workloads."Qwen2.5-72B".value`; any name may.
- **One text.** `scenario.to_yaml()` writes a scenario with all its tables as one text, which results carry;
  `Scenario.from_yaml(text)` reads it back.
"""
TAIL = """\
## How the numbers come about

- Demand of class k at node n: `scale` x `demand_weight` of n x `base_demand` of k x the mean, over the period, of
  `hourly` x `weekly` of k at the local time of n. Or `scale` x `demand.series`. Noise multiplies it in a run.
  Where `tokens` says what input and output tokens count, `base_tokens` and the columns `<class>.input` and
  `<class>.output` of `demand.series` are weighed so; throughput, energy, payload and value are per useful token.
- Power of an asset: `power_mw`, `accelerators` x `watts`, or its `share` of the node's `power_mw` or `power.series`.
  It is what the accelerators draw (IT power). `grid_mw` is what the facility draws: that times `pue`.
- Capacity of an asset for class k: its power x `throughput` of k (with `accelerator`: of one / its `watts`). With
  `shared_power` its classes share the power;
  without, each may use all of it, as in the paper.
- True cost of an asset for class k: electricity price at its node x `energy` of k x `pue` of the node, plus
  (`running_cost` + `opex_adder`) / (`throughput` of k x 3600 / 1e6). A truthful provider offers it.
- Electricity price of a node: `electricity_price` x `electricity.hourly` at its local time, or `electricity.series`;
  times `electricity.scale`.
- Emissions of an asset for class k: `carbon_intensity` of the node (or `carbon.series`) x `energy` of k x `pue` x what
  it serves. They are recorded. They cost `carbon.price` (or `carbon.prices`) in the asset's true cost, and a permit
  under `carbon.cap`.
- Latency of an arc: distance / `km_per_ms` + `hop_latency`; distance is the great circle on a sphere of 6371 km. A
  class may not use an arc that is slower than its `latency_limit`; where `latency_rule` is `path`, the arcs from
  origin to server, and the delay that counts in the limit, add up to no more than it.
- Cost of an arc for class k: `route_cost` + tariff x `payload` of k (x `overhead` where bandwidth is physical). The
  tariff is the arc's, else its owner's, else the network's.
- Where bandwidth is `token_equivalent`, an arc of W GB/s carries W / (the least payload) Mtok/s of all classes
  together. Where it is `physical`, a Mtok of class k takes `payload` x `overhead` GB of it. Where it is `none`, arcs
  cost nothing and have no limit; if they do not connect all nodes both ways, a ring of arcs is added.
- Periods beyond the last: profiles repeat week by week without end; a table by period ends with its last row.
"""


def page() -> str:
    """Return the text of the page."""
    lines = [HEAD.rstrip()]
    done: set[type[BaseModel]] = set()
    todo: list[tuple[str, type[BaseModel]]] = [("The scenario", ScenarioFields)]
    while todo:
        title, model = todo.pop(0)
        if model in done:
            continue
        done.add(model)
        lines += ["", f"## {title}", "", _summary(model), "", "| field | type | default | meaning |"]
        lines.append("| --- | --- | --- | --- |")
        for name, field in model.model_fields.items():
            shown = field.alias or name
            cells = (f"`{shown}`", _type(field.annotation, field), _default(field), field.description or "")
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
            inner = _model(field.annotation)
            if inner is not None:
                many = unwrap(field.annotation) is not inner
                path = shown if title == "The scenario" else f"{title.strip('`')}.{shown}"
                todo.append(
                    (f"`{path}{'.<name>' if many else ''}`".replace("assets.<name>", "assets[i]"), inner)
                )
    lines += [
        "",
        "## A series in a file",
        "",
        f"{_summary(SeriesFile)} It stands where a series is asked for; see",
    ]
    lines += ["[Series from files](../how-to/series.md).", "", "| field | type | default | meaning |"]
    lines.append("| --- | --- | --- | --- |")
    for name, field in SeriesFile.model_fields.items():
        kind = _SERIES_TYPES.get(name) or _type(field.annotation, field)
        default = "**needed**" if field.is_required() else _default(field)
        lines.append(f"| `{name}` | {kind} | {default} | {field.description} |")
    return "\n".join(lines).replace("`outages.<name>`", "`outages[i]`") + "\n\n" + TAIL


_SERIES_TYPES = {
    "file": "path or text", "columns": "list of names", "where": "values by column", "map": "names by name",
    "fill": "`hold`, `interpolate` or number",
}  # fmt: skip


def _summary(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().partition("\n")[0]


def _model(annotation: Any) -> type[BaseModel] | None:
    """Return the part that a field holds, or holds many of."""
    found = unwrap(annotation)
    while get_origin(found) is dict:
        found = unwrap(get_args(found)[1])
    if get_origin(found) is tuple:
        found = unwrap(get_args(found)[0])
    is_part = isinstance(found, type) and issubclass(found, (Part, Spec))
    return found if is_part else None


_ITEMS: dict[tuple[Any, ...], str] = {(Name,): "names"}
_WORDS: dict[Any, str] = {
    float: "number",
    int: "whole number",
    str: "text",
    bool: "true or false",
    datetime: "date and time",
    PeriodSeries: "table by period or time",
    NodeSeries: "table by period or time, and node",
    StrategySpec: "name, or mapping of name and parameters",
    LimitSpec: "class, or mapping of class and parameters",
}


_FORMS = {"list": "number, or list of numbers by period", "classes": "number, or numbers by class"}
"""What a union of a number and another form is called, by the tag of the other."""


def _tags(union: Any) -> set[str]:
    """Return the tags of the choices of a union."""
    metadata = [item for choice in get_args(union) for item in getattr(choice, "__metadata__", ())]
    return {item.tag for item in metadata if isinstance(item, Tag)}


def _type(annotation: Any, field: FieldInfo | None = None) -> str:
    found = unwrap(annotation)
    if forms := [words for tag, words in _FORMS.items() if tag in _tags(found)]:
        return forms[0]
    if found in _WORDS:
        return _WORDS[found] + (_bounds(field) if field is not None else "")
    if get_origin(found) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(found))
    if get_origin(found) is dict:
        inner = unwrap(get_args(found)[1])
        if get_origin(inner) is dict:
            return "mapping by name, then by name"
        plural = "numbers" if inner is float else f"lists of {_ITEMS.get(get_args(inner)[:1], 'numbers')}"
        return "mapping by name" if _model(inner) else f"{plural} by name"
    if get_origin(found) is tuple:
        return (
            "list"
            if _model(found)
            else f"list of {'numbers' if unwrap(get_args(found)[0]) is float else 'names'}"
        )
    if _model(found):
        return "mapping"
    return "`tier1`, `rest` or list of nodes"


def _bounds(field: FieldInfo) -> str:
    """Return the limits of a number, which may stand on the field or within an optional type."""
    nested = [item for arg in get_args(field.annotation) for item in getattr(arg, "__metadata__", ())]
    flat: list[Any] = []
    for item in [*field.metadata, *nested]:
        flat += item.metadata if isinstance(item, FieldInfo) else [item]
    for item in flat:
        if isinstance(item, Gt):
            return f" > {item.gt}"
        if isinstance(item, Ge) and not any(isinstance(other, (Le, Lt)) for other in flat):
            return f" >= {item.ge}"
    # A type and its field may both have a limit, in an order that depends on pydantic's version: the narrower holds.
    low = max((item.ge for item in flat if isinstance(item, Ge)), default=None)  # type: ignore[type-var]
    high = min((item.le for item in flat if isinstance(item, Le)), default=None)  # type: ignore[type-var]
    if low is not None and high is not None:
        return f" from {low} to {high}"
    below = next((item.lt for item in flat if isinstance(item, Lt)), None)
    return f" from {low} to below {below}" if below is not None else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**needed**"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, StrategySpec):
        return f"`{value.name}`"
    if isinstance(value, datetime):
        return f"`{value:%Y-%m-%d %H:%M}`"
    if isinstance(value, (bool, int, float, str)) and value != "":
        return f"`{str(value).lower() if isinstance(value, bool) else value}`"
    return ""


if __name__ == "__main__":
    sys.stdout.write(page())
