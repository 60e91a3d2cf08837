"""A scenario: the fields of its files with what is done with them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Protocol, Self

import xarray as xr
from pydantic import ValidationInfo, model_validator

from tokenflow_sim.errors import Fault, ScenarioError, unknown_name
from tokenflow_sim.market.market import Market
from tokenflow_sim.scenario.build import GATHERING, build
from tokenflow_sim.scenario.checks import check
from tokenflow_sim.scenario.compiled import Compiled
from tokenflow_sim.scenario.export import to_yaml
from tokenflow_sim.scenario.html import scenario_html
from tokenflow_sim.scenario.intake import Intake, Source
from tokenflow_sim.scenario.override import apply
from tokenflow_sim.scenario.places import Found, path_of
from tokenflow_sim.scenario.reading import at_hand, from_text, give_way, read_tables
from tokenflow_sim.scenario.schema import ScenarioFields
from tokenflow_sim.scenario.series_kinds import KINDS, series_of
from tokenflow_sim.scenario.times import PeriodTimes
from tokenflow_sim.variables import Variable

_CACHED = ("compiled", "_yaml", "packed")
"""What a scenario derives from its fields once; left out of copies and pickles."""


class SupportsAttrs(Protocol):
    """What has attributes by name, such as a Dataset."""

    @property
    def attrs(self) -> dict[Any, Any]:
        """The attributes."""
        ...


class Scenario(ScenarioFields):
    """A market, its agents and what happens to them: everything that a run needs beside a seed.

    `ScenarioFields` holds the fields, and the modules that check, change, compile and write them import it alone. This
    class offers what they do as methods.
    """

    @model_validator(mode="after")
    def _check_names_and_sums(self, info: ValidationInfo) -> Self:
        """Refuse what no single field shows; loading gathers these faults itself, to place them in files."""
        if not (info.context or {}).get(GATHERING):
            found = check(self, {}, set())
            if found:
                raise ValueError("; ".join(f"{path_of(loc)}: {message}" for loc, message in found))
        return self

    @cached_property
    def compiled(self) -> Compiled:
        """The scenario as arrays, made once."""
        return Compiled(self)

    @property
    def times(self) -> PeriodTimes | None:
        """When periods begin; None without a `start`."""
        return None if self.start is None else PeriodTimes(self.start, self.hours, self.time_zone)

    def market(self, period: int = 0) -> Market:
        """Return the market of a period: truthful offers, expected demand, outages of the table.

        Outages at random times (`outage_processes`) and noise on demand belong to a run and its seed: here, what fails
        at random is up.

        Raises
        ------
        ScenarioError
            If the period is negative, or beyond what a table by period covers.
        """
        return self.compiled.market(period)

    def override(
        self, changes: Mapping[str, Any], *, also: Callable[[Self], list[Found]] | None = None
    ) -> Self:
        """Return a copy with some values changed.

        Parameters
        ----------
        changes : mapping
            New values by dotted path, as Python objects or YAML text, e.g. ``{"demand.scale": 40}``,
            ``{"providers.atlas.assets[2].power_mw": "150"}``, ``{"nodes.dallas.electricity_price": 0.05}``. Where the
            format has a table, a DataFrame, Series or DataArray may stand, and a path, which starts in the working
            folder.
        also : callable, optional
            Finds more faults to be reported with those of the scenario.

        Raises
        ------
        ScenarioError
            If a path leads nowhere, or the changed scenario has faults; all of them are listed.

        Notes
        -----
        Giving a strategy another name drops the parameters of the former one, unless they are given too. Giving
        an asset a power drops its share, and the other way round. Giving `electricity.series` drops the prices that
        the nodes it names had before.
        """
        data, faults = apply(self, changes, lambda: self.compiled)
        intake = Intake(at_hand(f"scenario {self.name!r} with overrides"), data, faults)
        read_tables(intake)
        give_way(intake, changes)
        return build(intake, type(self), also)

    def emission_rate(self, period: int = 0) -> xr.DataArray:
        """Return what a Mtok of service emits at each asset in a period, in t/Mtok, dims (asset, workload).

        NaN where the scenario gives no carbon intensity.
        """
        layout = self.compiled.layout
        row = Variable("emission_rate", ("asset", "workload"), "t/Mtok", "emissions of a unit of service")
        return layout.label(row, self.compiled.carbon.rate(period))

    @property
    def series_notes(self) -> dict[str, list[str]]:
        """What was read of each series and what was assumed, by its path: span, unit, gaps, steps against periods."""
        return {
            ".".join(loc): [
                *([series.source] if series.source else []),
                *series.notes,
                *filter(None, [series.alignment(self.hours)]),
            ]
            for loc, _, series in series_of(self)
        }

    def with_series(self, **series: Any) -> Self:
        """Return a copy with other series.

        Parameters
        ----------
        **series
            By the section that has it, e.g. ``electricity`` and ``demand``: a DataFrame with an index or a column of
            times (or periods), a Series, a DataArray with dims (time or period, node[, workload]), a path, or a
            mapping as a scenario file has it. Times without a zone are UTC; `units` in `attrs` are converted.

        Raises
        ------
        ScenarioError
            If a series has faults, or there is no such section.
        """
        sections = [section for section, key in KINDS if key == "series"]
        wrong = [name for name in series if name not in sections]
        if wrong:
            faults = [Fault(unknown_name("series", name, sections)) for name in wrong]
            raise ScenarioError(faults, f"scenario {self.name!r} with series")
        return self.override({f"{name}.series": value for name, value in series.items()})

    def to_yaml(self) -> str:
        """Return the scenario as one YAML text with every table in it."""
        return self._yaml

    @cached_property
    def _yaml(self) -> str:
        """The scenario as text, made once."""
        return to_yaml(self)

    @cached_property
    def packed(self) -> dict[str, str]:
        """The scenario as results carry it in their attributes, made once.

        `scenario` is its YAML. Where series are long, `scenario_series` holds their numbers, compressed and cut to the
        scenario's periods, and the YAML their digests. `from_results` reads both.
        """
        apart: dict[str, str] = {}
        text = to_yaml(self, apart)
        return {"scenario": text, "scenario_series": json.dumps(apart)} if apart else {"scenario": text}

    @classmethod
    def from_results(cls, results: SupportsAttrs) -> Self:
        """Read the scenario that results carry in their attributes.

        Parameters
        ----------
        results : Dataset
            What a run or a study returned, or a file of theirs holds.

        Raises
        ------
        ScenarioError
            If they carry none, or it cannot be read.
        """
        text, packed = (results.attrs.get(name) for name in ("scenario", "scenario_series"))
        if not isinstance(text, str) or not text:
            raise ScenarioError(
                [Fault("they carry none in their attribute 'scenario'")], "scenario of results"
            )
        try:
            apart = json.loads(packed) if packed else {}
        except (TypeError, ValueError) as error:
            fault = Fault(f"their attribute 'scenario_series' is damaged ({error})")
            raise ScenarioError([fault], "scenario of results") from None
        return build(from_text(text, Source("scenario of results", packed=apart)), cls)

    @classmethod
    def from_yaml(cls, text: str) -> Self:
        """Read a scenario from one YAML text.

        Raises
        ------
        ScenarioError
            If the text has faults, or names files: text alone has no folder.
        """
        return build(from_text(text, Source("scenario text")), cls)

    def _repr_html_(self) -> str:
        """Show providers and classes in a notebook."""
        return scenario_html(self)

    def __getstate__(self) -> dict[Any, Any]:
        """Leave arrays and text out of copies and pickles: they are made again where they are needed."""
        state = super().__getstate__()
        fields = {name: value for name, value in state["__dict__"].items() if name not in _CACHED}
        return {**state, "__dict__": fields}

    def __copy__(self) -> Self:
        """Copy without arrays and text, which may not fit a changed copy."""
        copied = super().__copy__()
        for name in _CACHED:
            copied.__dict__.pop(name, None)
        return copied

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Copy by reference: nothing in a scenario can change."""
        return self.__copy__()
