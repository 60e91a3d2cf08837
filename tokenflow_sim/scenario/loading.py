"""Finding and reading scenarios: bundled ones by name, others by folder or file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenflow_sim.errors import Fault, ScenarioError, known
from tokenflow_sim.scenario import yaml_text
from tokenflow_sim.scenario.build import Also, build
from tokenflow_sim.scenario.intake import Source, from_text, read_bytes
from tokenflow_sim.scenario.schema import Scenario

FILE = "scenario.yaml"


def bundled_folder() -> Path:
    """Return the folder of the scenarios that come with the package."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "_scenarios"  # where the wheel puts them
    return installed if installed.is_dir() else package.parent / "scenarios"


def _bundled() -> dict[str, Path]:
    folder = bundled_folder()
    if not folder.is_dir():
        return {}
    return {item.name: item / FILE for item in sorted(folder.iterdir()) if (item / FILE).is_file()}


def list_scenarios() -> dict[str, str]:
    """Return the bundled scenarios: their descriptions by name."""
    found = {}
    for name, file in _bundled().items():
        data = yaml_text.read(read_bytes(file, str(file))).data
        found[name] = str(data.get("description", "")) if isinstance(data, dict) else ""
    return found


def load_scenario(
    source: str | Path | Scenario, overrides: Mapping[str, Any] | None = None, *, also: Also | None = None
) -> Scenario:
    """Load a scenario.

    Parameters
    ----------
    source : str, Path or Scenario
        The name of a bundled scenario, a folder with a ``scenario.yaml``, such a file, or a scenario as it is.
    overrides : mapping, optional
        Values to change, by dotted path; see `Scenario.override`.
    also : callable, optional
        Finds more faults to be told with those of the scenario; see `build`.

    Returns
    -------
    Scenario

    Raises
    ------
    ScenarioError
        If there is no such scenario, or its files have faults; all of them are listed.
    """
    scenario = source if isinstance(source, Scenario) else _read(source, also)
    return scenario.override(overrides, also=also) if overrides else scenario


def _read(source: str | Path, also: Also | None) -> Scenario:
    if not isinstance(source, (str, Path)):
        message = f"a scenario is named by text or a path; found {type(source).__name__}"
        raise ScenarioError([Fault(message)], "scenario")
    subject = f"scenario {str(source)!r:.120}"
    bundled = _bundled()
    if isinstance(source, str) and source in bundled:
        file, shown = bundled[source], f"{source}/{FILE}"
    else:
        file, shown = _find(source, subject, bundled)
    try:
        text = read_bytes(file, shown)
    except ValueError as error:
        raise ScenarioError([Fault(str(error))], subject) from None
    return build(from_text(text, Source(subject, shown, file.parent)), also)


def _find(source: str | Path, subject: str, bundled: Mapping[str, Path]) -> tuple[Path, str]:
    """Return the file of a scenario that is not bundled, and what messages call it."""
    path = Path(source)
    try:
        is_folder, exists = path.is_dir(), bool(str(source)) and path.exists()
    except (OSError, ValueError):  # e.g. a name too long, or with a null byte
        is_folder = exists = False
    if exists and not is_folder:
        return path, str(path)
    if exists and (path / FILE).exists():
        return path / FILE, str(path / FILE)
    if exists:
        raise ScenarioError([Fault(f"this folder has no {FILE}", "", str(source))], subject)
    message = f"{known('scenario', str(source)[:120], list(bundled))}; nor is there such a folder or file"
    raise ScenarioError([Fault(message)], subject)
