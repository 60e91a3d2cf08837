"""Dates on the command line and on the page."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import tokenflow_sim as tf
from tokenflow_sim.app import series
from tokenflow_sim.cli import app
from tokenflow_sim.cli.figures import _chosen
from tokenflow_sim.report.tables import classes
from tokenflow_sim.results.totals import Totals

DATED = {"start": "2026-03-07T00:00-08:00", "time_zone": "America/Los_Angeles"}
ARGUMENTS = [part for path, value in DATED.items() for part in ("--set", f"{path}={value}")]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dated") / "run.nc"
    found = CliRunner().invoke(app, ["run", "us5", "--periods", "48", *ARGUMENTS, "--out", str(path)])
    assert found.exit_code == 0, found.output
    assert "time [America/Los_Angeles]" in found.output
    assert "2026-03-0" in found.output
    return path


def test_figures_of_days(run: Path, tmp_path: Path) -> None:
    with tf.load_results(run) as ds:
        assert _chosen(ds, "2026-03-08:2026-03-08") == [*range(24, 47)], "23 hours"
        assert _chosen(ds, "2026-03-07T22:00/2026-03-08") == [*range(22, 47)]
        assert _chosen(ds, ":3") == [0, 1, 2, 3]
        for wrong in ("1:2:3", "5"):
            with pytest.raises(tf.ResultError, match="--periods takes FIRST:LAST"):
                _chosen(ds, wrong)
        with pytest.raises(
            tf.ResultError, match="no such periods; the run has 2026-03-07 00:00 to 2026-03-09 00:00"
        ):
            _chosen(ds, "2026-04-01:")
    command = ["plot", str(run), "--only", "prices", "--periods", "2026-03-08:", "--out", str(tmp_path / "f")]
    found = CliRunner().invoke(app, command)
    assert found.exit_code == 0, found.output


def test_reports_name_the_peak_by_its_date(run: Path) -> None:
    with tf.load_results(run) as ds:
        table = classes(Totals(ds))
        assert table is not None
        assert "at node,\ntime [America/Los_Angeles]" in table.heads
        peak = ds.price.sel(workload="chat").max("node")
        when = pd.Timestamp(ds.time.values[int(peak.values.argmax())], tz="UTC").tz_convert(
            "America/Los_Angeles"
        )
        row = next(row for row in table.rows if row[0] == "chat")
        assert any(cell.endswith(f", {when:%Y-%m-%d %H:%M}") for cell in row)


def test_an_equilibrium_of_a_date() -> None:
    command = ["equilibrium", "us5", *ARGUMENTS, "--period", "2027-01-01", "--points", "3"]
    found = CliRunner().invoke(app, command)
    assert found.exit_code == 2
    assert "the periods of scenario 'us5' begin at 2026-03-07 00:00 to 2026-03-14 00:00" in found.output
    found = CliRunner().invoke(app, ["equilibrium", "us5", "--period", "2027-01-01"])
    assert found.exit_code == 2
    assert "has no `start`" in found.output


def test_charts_of_the_page_have_dates() -> None:
    dated = tf.load_scenario("us5", DATED)
    ticks = series.date_ticks(dated, 72)
    assert [(tick["text"], round(tick["at"], 6)) for tick in ticks][:3] == [
        ("07 Mar", 0),
        ("08 Mar", 24),
        ("09 Mar", 47),
    ]
    assert series.date_ticks(tf.load_scenario("us5"), 72) == []
