"""The reproduction of the paper: every row, the verdicts, and the figures' data."""

from __future__ import annotations

import runpy
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.oracle import linprog_oracle
from tokenflow_sim import study
from tokenflow_sim.scenario import load_scenario
from tokenflow_sim.study import Reproduction, reproduce
from tokenflow_sim.study.paper.row import Row

EXPERIMENT = Path(__file__).parents[2] / "experiments" / "paper.py"


@pytest.fixture(scope="module")
def reproduction() -> Reproduction:
    return reproduce()


def test_every_row_that_should_match_does(reproduction: Reproduction) -> None:
    assert not reproduction.failures, [str(row) for row in reproduction.failures]


def test_rows_cover_every_table_and_section(reproduction: Reproduction) -> None:
    sections = reproduction.table["section"]
    for part in (
        "baseline",
        "Table 3",
        "sweep",
        "settlement",
        "transfer-aware",
        "opex",
        "QP",
        "latency",
        "20 nodes",
    ):
        assert sections.str.contains(part).any(), part
    assert sections.str.contains("Table 3").sum() == 15


def test_what_cannot_be_derived_says_why_and_does_not_count(reproduction: Reproduction) -> None:
    left_open = [row for row in reproduction.rows if row.matches is None]
    assert len(left_open) == 7
    assert all("derivable" in row.note for row in left_open)
    assert not set(left_open) & set(reproduction.failures)


def test_calibrated_inputs_are_marked_in_every_row(reproduction: Reproduction) -> None:
    assert all("alibrated" in row.note or "no formula" in row.note for row in reproduction.rows)


@pytest.mark.parametrize(
    ("paper", "ours", "printed", "between", "matches"),
    [
        (0.29, 0.287, 2, None, True),
        (0.29, 0.296, 2, None, False),
        (4, 5, 0, None, False),
        (123_635, 123_635.32, 0, None, True),
        (41.90, 41.8948, 2, None, False),
        (41.90, float("nan"), 2, None, False),
        (89.2, 89.3948, 1, (89.1948, 89.3948), True),
        (89.2, 89.3948, 1, None, False),
        (89.0, 89.3948, 1, (89.1948, 89.3948), False),
    ],
)
def test_a_row_matches_to_the_digits_printed(
    paper: float, ours: float, printed: int, between: tuple[float, float] | None, matches: bool
) -> None:
    assert Row("", "", paper, ours, printed, between=between).matches is matches
    assert Row("", "", paper, ours, printed, between=between, expected=False).matches is None


GOLDEN = {
    "5 nodes, 35x: baseline: total cost, $/h": 123_635.32,
    "5 nodes, 35x: settlement: users pay, $/h": 139_446.09,
    "5 nodes, 35x: settlement: network providers alone, $/h": 1_833.57,
    "5 nodes, 35x: settlement: residual alone, $/h": 0.0,
    "5 nodes: demand sweep: mean image price at 40x, $/Mtok": 89.3948,
    "5 nodes, 35x: transfer-aware: total cost, $/h": 127_006.98,
    "5 nodes, 35x: congestion-QP: mean image price, $/Mtok": 41.8948,
    "20 nodes: scale-up: total cost at 35x, $/h": 353_699.55,
}


def test_our_numbers_are_what_they_were(reproduction: Reproduction) -> None:
    """Golden: also the numbers that the paper leaves open, to more digits than it prints."""
    ours = {f"{row.section.split(' (')[0]}: {row.name}": row.ours for row in reproduction.rows}
    for name, value in GOLDEN.items():
        assert ours[name] == pytest.approx(value, abs=0.005), name


def test_sweep_costs_are_the_oracle_s(reproduction: Reproduction) -> None:
    sweep = reproduction.figures["figure3"]
    scenario = load_scenario("us5")
    assert list(sweep.demand_scale.values) == list(range(1, 46))
    for scale in (1, 8, 23, 45):
        optimum = linprog_oracle.solve(scenario.override({"demand.scale": scale}).market(0))
        assert optimum is not None
        ours = float(sweep.total_cost.sel(demand_scale=scale))
        assert ours == pytest.approx(optimum.cost * 3600, rel=1e-9)


def test_the_cliff_lies_between_35_and_40(reproduction: Reproduction) -> None:
    image = reproduction.figures["figure3"].mean_price.sel(workload="image")
    assert float(image.sel(demand_scale=40)) > 2 * float(image.sel(demand_scale=35))
    # Prices may fall where another link fills, but cost is convex in the scale.
    cost = reproduction.figures["figure3"].total_cost.values
    assert (np.diff(cost, 2) >= -1e-6 * cost[-1]).all()


def test_maps_balance_at_every_node(reproduction: Reproduction) -> None:
    for name, scenario in (("figure1", "us20"), ("figure2", "us5")):
        data = reproduction.figures[name]
        demand = load_scenario(scenario).market(0)["demand"]
        sent = data.flow.groupby("origin").sum().reindex(origin=data.node.values, fill_value=0)
        came = data.flow.groupby("destination").sum().reindex(destination=data.node.values, fill_value=0)
        served = data.processing.values + sent.values - came.values
        np.testing.assert_allclose(served, demand.values, atol=1e-9)
        assert (data.utilisation <= 1 + 1e-9).all()


def test_files_hold_the_table_and_the_figures_data(reproduction: Reproduction, tmp_path: Path) -> None:
    written = reproduction.save(tmp_path / "new" / "folder")
    assert [path.name for path in written] == ["paper.csv", *(f"figure{i}.nc" for i in range(1, 5))]
    assert len(pd.read_csv(written[0])) == len(reproduction.rows)
    with xr.open_dataset(written[3]) as sweep:
        xr.testing.assert_allclose(sweep.total_cost, reproduction.figures["figure3"].total_cost)


@pytest.mark.parametrize("wrong", [False, True])
def test_the_experiment_prints_the_table_and_exits_by_the_verdict(
    reproduction: Reproduction,
    wrong: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if wrong:
        off = replace(reproduction.rows[1], ours=123_600.0)
        reproduction = Reproduction((off, *reproduction.rows[2:]), reproduction.figures)
    monkeypatch.setattr(study, "reproduce", lambda: reproduction)
    monkeypatch.setattr(sys, "argv", ["paper.py", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as left:
        runpy.run_path(str(EXPERIMENT), run_name="__main__")
    told = capsys.readouterr()
    assert left.value.code == int(wrong)
    assert ("DIFFERS" in told.out) is wrong
    assert ("123,635.32" in told.out) is not wrong
    assert ("total cost, $/h" in told.err) is wrong
    assert (tmp_path / "figure4.nc").exists()
