"""A study as a YAML file, which can be committed beside its results."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Unpack

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tokenflow_sim.errors import Fault, InputError, unknown_name
from tokenflow_sim.scenario import yaml_text
from tokenflow_sim.scenario.places import path_of
from tokenflow_sim.study.sensitivity import OUTPUTS, Sensitivity, sensitivity
from tokenflow_sim.study.sweep import RECORDED, Options, sweep
from tokenflow_sim.study.swept import Sweep


class StudyFile(BaseModel):
    """What a study file may say."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    format: Literal[1] = Field(description="Version of this format.")
    study: Literal["sweep", "sensitivity"] = Field(default="sweep", description="What kind of study it is.")
    description: str = Field(default="", description="What it asks, in a line.")
    scenario: str = Field(
        description="A bundled scenario, or a folder or file, relative to the folder of the study file."
    )
    periods: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Number of periods, in place of the scenario's."
    )
    overrides: dict[str, Any] = Field(
        default_factory=dict, alias="set", description="Other values of the scenario, by dotted path."
    )
    strategies: dict[str, Any] = Field(
        default_factory=dict,
        description="Other strategies: by an agent's name, or by `providers`, `owners` or `regions`.",
    )
    vary: dict[str, Any] = Field(
        description="What each dotted path is varied over: a list, `start:stop:step`, or a distribution."
    )
    how: Literal["grid", "list", "random", "latin", "sobol"] | None = Field(
        default=None, description="How the points of a sweep come about."
    )
    kind: Literal["sobol", "morris"] = Field(
        default="sobol", description="Which indices a sensitivity study takes."
    )
    samples: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Points to draw; of a sensitivity study base samples or trajectories."
    )
    sample_seed: Annotated[int, Field(ge=0)] = Field(default=0, description="Seed of that draw.")
    seeds: Annotated[int, Field(ge=1)] | list[Annotated[int, Field(ge=0)]] = Field(
        default=1, description="How many seeds from 0 on, or which."
    )
    record: list[str] = Field(
        default_factory=lambda: list(RECORDED), description="The variables that a sweep keeps of each period."
    )
    outputs: list[str] = Field(
        default_factory=lambda: list(OUTPUTS), description="The measures that a sensitivity study explains."
    )


_OF_THE_OTHER = {"sweep": ("kind", "outputs"), "sensitivity": ("how", "record")}


def load_study(path: str | Path) -> StudyFile:
    """Read a study file.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    StudyFile
        With the scenario's path as seen from here.

    Raises
    ------
    InputError
        If it cannot be read, or with all its faults.
    """
    source = Path(path)
    subject = f"study {str(source)!r}"
    try:
        document = yaml_text.read(source.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError([Fault(f"cannot be read ({error})")], subject) from None
    except yaml_text.YamlFault as error:
        raise InputError([yaml_text.as_fault(error, str(source))], subject) from None
    if not isinstance(document.data, dict):
        raise InputError(
            [Fault("must be a mapping with `format`, `scenario` and `vary`", "", str(source))], subject
        )
    faults = [Fault(message, path_of(place), f"{source}:{line}") for place, message, line in document.faults]
    try:
        study = StudyFile.model_validate(document.data)
    except ValidationError as error:
        raise InputError(faults + [_fault(detail, source) for detail in error.errors()], subject) from None
    idle = study.model_fields_set & set(_OF_THE_OTHER[study.study])
    faults += [Fault(f"has no meaning for a {study.study}", name, str(source)) for name in sorted(idle)]
    if faults:
        raise InputError(faults, subject)
    beside = source.parent / study.scenario
    return study.model_copy(update={"scenario": str(beside)}) if beside.exists() else study


def _fault(detail: Any, source: Path) -> Fault:
    # Of alternatives, pydantic adds which one it tried.
    parts = [part for part in detail["loc"] if not re.search(r"[\[(]|^constrained-|^int$", str(part))]
    place = ".".join(map(str, parts))
    if detail["type"] == "extra_forbidden":
        names = [field.alias or name for name, field in StudyFile.model_fields.items()]
        return Fault(unknown_name("field", detail["loc"][-1], names, limit=30), place, str(source))
    if detail["type"] == "missing":
        return Fault("is missing", place, str(source))
    message = str(detail["msg"])
    return Fault(f"{message[0].lower()}{message[1:]}; found {detail['input']!r:.60}", place, str(source))


def play_study(study: StudyFile | str | Path, **options: Unpack[Options]) -> Sweep | Sensitivity:
    """Play the runs of a study file.

    Parameters
    ----------
    study : StudyFile, str or Path
        The study, or its file.
    **options
        As `sweep` takes them, but the strategies, which the file names: ``workers``, ``client``, ``out``, ``resume``,
        ``force``, ``allow_code``, ``progress``.

    Raises
    ------
    InputError, ScenarioError, ResultError
        As `sweep` and `sensitivity` do.
    """
    settings = study if isinstance(study, StudyFile) else load_study(study)
    common: dict[str, Any] = {
        "seeds": settings.seeds, "sample_seed": settings.sample_seed, "periods": settings.periods,
        "overrides": settings.overrides,
        "strategies": settings.strategies or None, **options,
    }  # fmt: skip
    if settings.study == "sensitivity":
        if settings.samples is not None:
            common["samples"] = settings.samples
        return sensitivity(
            settings.scenario, settings.vary, kind=settings.kind, outputs=settings.outputs, **common
        )
    return sweep(
        settings.scenario,
        settings.vary,
        how=settings.how,
        samples=settings.samples,
        record=settings.record,
        **common,
    )
