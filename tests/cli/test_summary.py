from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tokenflow_sim.cli.summary import duration, show_summary
from tokenflow_sim.report.tables import statement
from tokenflow_sim.results import parties
from tokenflow_sim.results.parties import NEEDED, largest, residual_of
from tokenflow_sim.results.totals import Totals
from tokenflow_sim.variables import RESULTS

SIZES = {"node": 3, "workload": 2, "asset": 4, "arc": 2, "provider": 3, "owner": 2}
PROVIDERS = ["b", "a", "b", "a"]  # `idle` has no asset


def results(periods: int, seed: int = 0) -> xr.Dataset:
    """Make up results: every variable at random, with an order of dims of its own."""
    random = np.random.default_rng(seed)
    sizes = {"period": periods, **SIZES}
    data = {}
    for name, variable in RESULTS.items():
        dims = variable.dims[::-1] if name in ("price", "demand") else variable.dims
        data[name] = (dims, random.normal(5, 2, [sizes[dim] for dim in dims]))
        if name == "demand":  # a part of it is unserved
            data[name] = (dims, data[name][1] + 20)
    labels = {dim: [f"{dim}{number}" for number in range(size)] for dim, size in SIZES.items()}
    coords = {**labels, "provider": ["a", "b", "idle"], "period": np.arange(periods) + 100}
    return xr.Dataset(data, {**coords, "asset_provider": ("asset", PROVIDERS)}, {"hours": 0.5, "seed": 3})


@pytest.mark.parametrize("periods", [1, 256, 257, 600])
def test_key_figures_are_those_of_all_periods(periods: int) -> None:
    data = results(periods)
    found = Totals(data, names=NEEDED)
    classes, providers, owners = parties.classes(found), parties.providers(found), parties.owners(found)
    for workload in data.indexes["workload"]:
        row, price = classes.loc[workload], data.price.sel(workload=workload)
        served = (data.demand - data.unserved).sel(workload=workload)
        assert row.mean_price == pytest.approx(float((price * served).sum() / served.sum()), rel=1e-9)
        assert row.peak_price == float(price.max())
        assert float(price.sel(node=row.peak_node, period=row.peak_period)) == float(price.max())
        assert row.demand == pytest.approx(1800 * float(data.demand.sel(workload=workload).sum()), rel=1e-12)
        assert row.unserved == pytest.approx(
            1800 * float(data.unserved.sel(workload=workload).sum()), rel=1e-12
        )
    assert list(providers.index) == ["a", "b", "idle"]
    for name in ("a", "b"):
        own = data.isel(asset=[number for number, owner in enumerate(PROVIDERS) if owner == name])
        assert providers.loc[name, "revenue"] == pytest.approx(float(own.revenue.sum()), rel=1e-12)
        assert providers.loc[name, "cost"] == pytest.approx(float(own.cost.sum()), rel=1e-12)
    assert list(providers.loc["idle", ["revenue", "cost"]]) == [0.0, 0.0]
    for name, profit in providers["profit"].items():
        assert profit == pytest.approx(float(data.profit.sel(provider=name).sum()), rel=1e-12)
    for name, income in owners["income"].items():
        assert income == pytest.approx(float(data.owner_income.sel(owner=name).sum()), rel=1e-12)
    received = float(data.revenue.sum()) + float(data.owner_income.sum())
    assert residual_of(found) == pytest.approx(float(data.payment.sum()) - received, rel=1e-9)
    assert found.total("welfare") == pytest.approx(float(data.welfare.sum()), rel=1e-12)
    assert found.worst is not None
    assert found.worst.value == float(data.certificate.max())
    assert float(data.certificate.sel(period=found.worst.period)) == found.worst.value


def test_results_in_a_file_are_read_a_stretch_at_a_time(tmp_path: Path) -> None:
    data = results(300)
    data.to_netcdf(tmp_path / "run.nc")
    with xr.open_dataset(tmp_path / "run.nc", cache=False) as lazy:
        assert Totals(lazy, names=NEEDED).total("welfare") == Totals(data, names=NEEDED).total("welfare")


def test_the_first_of_equal_peaks_is_told() -> None:
    data = results(300).assign(price=lambda ds: ds.price * 0 + 2.5)
    assert set(parties.classes(Totals(data, names=NEEDED))["peak_period"]) == {100}


def test_a_class_of_which_nothing_is_served_has_no_mean_price(capsys: pytest.CaptureFixture[str]) -> None:
    data = results(3)
    idle = data.assign(unserved=data.demand.where(data.workload == "workload0", data.unserved))
    assert np.isnan(Totals(idle, names=NEEDED).mean_price["workload0"])
    show_summary(idle, "idle", 0.1)
    (row,) = (line for line in capsys.readouterr().out.splitlines() if "workload0" in line)
    assert row.split()[1] == "-"
    gone = data.assign(price=data.price.where(data.period != 101))
    assert Totals(gone, names=NEEDED).mean_price.isna().all()


def test_tables_of_a_market_without_links(capsys: pytest.CaptureFixture[str]) -> None:
    show_summary(results(2).isel(owner=slice(0), arc=slice(0)), "alone", 0.25)
    told = capsys.readouterr().out
    assert "alone: 2 periods of 0.5 h, seed 3, run in 0.2 s" in told
    assert "network owner" not in told
    assert "residual" in told


def test_many_providers_are_cut_down_to_those_that_matter() -> None:
    table = pd.DataFrame({"revenue": np.arange(100.0), "cost": 1.0}, index=[f"p{n}" for n in range(100)])
    short = largest(table, "revenue", "providers", 20)
    assert len(short) == 20
    assert list(short.index[:2]) == ["p99", "p98"]
    assert short.index[-1] == "81 other providers"
    assert list(short.sum()) == list(table.sum())
    assert list(largest(table[:20], "revenue", "providers", 20).index) == [f"p{n}" for n in range(20)]


def test_contracts_and_mitigation_have_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    ds = results(4)
    assert parties.beside_the_market(Totals(ds)) == []
    mitigated = np.zeros((4, SIZES["asset"], SIZES["workload"]))
    mitigated[0] = 1.0
    ds["contract_payment"] = (("period", "contract"), np.full((4, 2), -300.0))
    ds["contract_income"] = (("period", "provider"), np.full((4, 3), 100.0))
    ds["mitigated"] = (("period", "asset", "workload"), mitigated)
    ds["failed_test"] = ds["mitigated"] * 0.0
    lines = [
        "2 forward contracts: buyers pay sellers 2,400.00 $, providers receive 1,200.00 $",
        "mitigation: 25.0 % of offers replaced, 0.0 % failed the pivotal-supplier test",
    ]
    assert parties.beside_the_market(Totals(ds, names=NEEDED)) == lines
    show_summary(ds, "made_up", 1.0)
    assert set(lines) <= set(capsys.readouterr().out.splitlines())
    table = statement(Totals(ds))
    assert table is not None
    assert table.note == f"{lines[0]}. M{lines[1][1:]}."


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.84, "0.8 s"),
        (9.99, "10.0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (185, "3 min 5 s"),
        (7440, "2 h 4 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
