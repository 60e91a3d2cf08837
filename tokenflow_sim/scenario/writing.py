"""Writing a new scenario's files into a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tokenflow_sim.disk import writing
from tokenflow_sim.errors import Fault, ScenarioError


def write_files(folder: str | Path, files: Mapping[str, str], *, force: bool = False) -> Path:
    """Write a scenario's files.

    Parameters
    ----------
    folder : str or Path
        Where to write them; made if it does not exist.
    files : mapping
        Text by file name, ``scenario.yaml`` among them.
    force : bool
        Write even where the folder has files already; those of the same names are replaced.

    Returns
    -------
    Path
        The scenario file.

    Raises
    ------
    ScenarioError
        If the folder has files and `force` is false.
    ResultError
        If it cannot be written to.
    """
    target = Path(folder)
    with writing(target):
        target.mkdir(parents=True, exist_ok=True)
        if any(target.iterdir()) and not force:
            fault = Fault(
                "this folder has files already; choose another, or write into it with --force",
                "",
                str(folder),
            )
            raise ScenarioError([fault], "a new scenario")
        for file, text in files.items():
            (target / file).write_text(text, encoding="utf-8")
    return target / "scenario.yaml"
