"""The scenario format as JSON Schema, by which editors complete and check scenario files while they are written."""

from __future__ import annotations

from typing import Any

from tokenflow_sim.scenario.schema import ScenarioFields

_KEYWORDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
_TABLES: dict[str, tuple[str, ...]] = {
    "": ("nodes", "workloads", "outages", "outage_processes", "contracts"),
    "Network": ("arcs",),
    "Demand": ("hourly", "weekly"),
    "Electricity": ("hourly",),
    "Provider": ("assets",),
    "Grid": ("buses", "lines", "generators", "links"),
}
"""Fields that files may give as a table, by the part that has them; the scenario itself has no name."""
_TABLE: list[dict[str, Any]] = [
    {"type": "string", "description": "Path of a CSV file in the scenario's folder, or its text."},
    {
        "type": "array",
        "items": {"type": "object"},
        "description": "Rows, each a mapping of columns to values.",
    },
]


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a scenario file.

    Returns
    -------
    dict
        The schema. It holds what a single field can show; that names exist and sums add up is seen by loading.
    """
    schema = ScenarioFields.model_json_schema(by_alias=True)
    parts = {"": schema, **schema["$defs"]}
    for part, fields in _TABLES.items():
        for field in fields:
            properties = parts[part]["properties"]
            given = properties[field]
            outer = {key: given.pop(key) for key in ("description", "default", "title") if key in given}
            # What is a list of mappings already says more of its rows than a table could.
            others = _TABLE[:1] if given.get("type") == "array" else _TABLE
            properties[field] = {"anyOf": [given, *others], **outer}
    for name in ("StrategySpec", "LimitSpec"):
        spec = parts[name]
        schema["$defs"][name] = {
            "anyOf": [spec, {"type": "string", "description": "The name alone."}],
            "description": spec.pop("description", ""),
        }
    residence = parts["Residence"]
    places = {"type": "array", "items": {"type": "string"}}
    schema["$defs"]["Residence"] = {
        "anyOf": [residence, {"type": "string"}, places, {"type": "null", "description": "No rule."}],
        "description": residence.pop("description", ""),
    }
    _rename(schema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A scenario of tokenflow_sim, format 1",
    } | {key: value for key, value in schema.items() if key != "title"}


def _rename(part: Any) -> None:
    """Give bounds the names that JSON Schema has for them, in place."""
    if isinstance(part, list):
        for item in part:
            _rename(item)
    if not isinstance(part, dict):
        return
    for key, name in _KEYWORDS.items():
        if isinstance(part.get(key), (int, float)):
            part[name] = part.pop(key)
    for item in part.values():
        _rename(item)
