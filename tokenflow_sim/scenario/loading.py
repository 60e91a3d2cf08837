"""Finding and reading scenarios: bundled ones by name, others by folder or file."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tokenflow_sim.errors import Fault, ScenarioError, unknown_name
from tokenflow_sim.scenario import yaml_text
from tokenflow_sim.scenario.build import build
from tokenflow_sim.scenario.intake import Source, read_bytes
from tokenflow_sim.scenario.places import Found
from tokenflow_sim.scenario.reading import from_text
from tokenflow_sim.scenario.scenario import Scenario

FILE = "scenario.yaml"
Also = Callable[[Scenario], list[Found]]
_PACKAGE = Path(__file__).resolve().parent.parent


def bundled_folder() -> Path:
    """Return the folder of the scenarios that come with the package."""
    installed = _PACKAGE / "_scenarios"  # where the wheel puts them
    return installed if installed.is_dir() else _PACKAGE.parent / "scenarios"


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


def load_bundled(name: str) -> Scenario:
    """Load a bundled scenario, whatever folders there are: for what must not depend on where it is called.

    Parameters
    ----------
    name : str
        One of `list_scenarios`.

    Returns
    -------
    Scenario

    Raises
    ------
    ScenarioError
        If there is no such bundled scenario.
    """
    bundled, subject = _bundled(), f"scenario {name!r:.120}"
    if name not in bundled:
        raise ScenarioError([Fault(unknown_name("bundled scenario", name, list(bundled)))], subject)
    return _from_file(bundled[name], f"{name}/{FILE}", subject, None)


def load_scenario(
    source: str | Path | Scenario, overrides: Mapping[str, Any] | None = None, *, also: Also | None = None
) -> Scenario:
    """Load a scenario.

    Parameters
    ----------
    source : str, Path or Scenario
        A folder with a ``scenario.yaml``, such a file, the name of a bundled scenario, or a scenario as it is. A
        folder or file goes before a bundled scenario of the same name, with a warning that names both.
    overrides : mapping, optional
        Values to change, by dotted path; see `Scenario.override`.
    also : callable, optional
        Finds more faults to be reported with those of the scenario; see `build`.

    Returns
    -------
    Scenario

    Raises
    ------
    ScenarioError
        If there is no such scenario, or its files have faults; all of them are listed.
    """
    scenario = source if isinstance(source, Scenario) else _read(source, also)
    if overrides is None or (isinstance(overrides, Mapping) and not overrides):
        return scenario
    return scenario.override(overrides, also=also)


def is_bundled(source: str) -> bool:
    """Return whether a name stands for a bundled scenario where the command is called."""
    with warnings.catch_warnings(action="ignore"):
        found, _ = _find(source, f"scenario {source!r:.120}")
    return found.resolve().is_relative_to(bundled_folder())


def _read(source: str | Path, also: Also | None) -> Scenario:
    if not isinstance(source, (str, Path)):
        message = f"a scenario is named by text or a path; found {type(source).__name__}"
        raise ScenarioError([Fault(message)], "scenario")
    subject = f"scenario {str(source)!r:.120}"
    return _from_file(*_find(source, subject), subject, also)


def _from_file(file: Path, shown: str, subject: str, also: Also | None) -> Scenario:
    try:
        text = read_bytes(file, shown)
    except ValueError as error:
        raise ScenarioError([Fault(str(error))], subject) from None
    return build(from_text(text, Source(subject, shown, file.parent)), Scenario, also)


def _find(source: str | Path, subject: str) -> tuple[Path, str]:
    """Return the file of a scenario, and what messages call it.

    What stands in the working folder goes before a bundled scenario of the same name: who has written a scenario and
    names it must not be given another. A message then names the bundled one.
    """
    bundled = _bundled()
    path = Path(source)
    try:
        is_folder, exists = path.is_dir(), bool(str(source)) and path.exists()
        has_scenario = is_folder and (path / FILE).exists()
    except (OSError, ValueError):  # e.g. a name too long, or with a null byte
        is_folder = exists = has_scenario = False
    if isinstance(source, str) and source in bundled and not has_scenario and (is_folder or not exists):
        if is_folder and any(path.glob("*.y*ml")):
            _warn(f"the folder ./{source} has no {FILE}: the bundled scenario {source} is taken")
        return bundled[source], f"{source}/{FILE}"
    if exists and (has_scenario or not is_folder):
        found = path / FILE if has_scenario else path
        if isinstance(source, str) and source in bundled and not found.samefile(bundled[source]):
            what = "folder" if is_folder else "file"
            _warn(
                f"{source} names the {what} ./{source} and a bundled scenario: the {what} is taken. Write"
                f" ./{source} to say so; for the bundled scenario, rename the {what} or work elsewhere"
            )
        return found, str(found)
    if exists:
        raise ScenarioError([Fault(f"this folder has no {FILE}", "", str(source))], subject)
    message = (
        f"{unknown_name('scenario', str(source)[:120], list(bundled))}; nor is there such a folder or file"
    )
    raise ScenarioError([Fault(message)], subject)


def _warn(message: str) -> None:
    """Warn at the line outside the package that named the scenario."""
    warnings.warn(message, UserWarning, skip_file_prefixes=(str(_PACKAGE),))
