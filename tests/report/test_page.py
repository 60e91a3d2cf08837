from __future__ import annotations

import itertools
import json
import re
import shlex
from collections.abc import Iterator
from xml.etree.ElementTree import Element

import html5lib
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

import tokenflow_sim as tf
from tests.report.conftest import HOSTILE
from tokenflow_sim.errors import ResultError
from tokenflow_sim.report import page as pages
from tokenflow_sim.report import render, tables, write_report
from tokenflow_sim.report import run as runs
from tokenflow_sim.report.blocks import Table
from tokenflow_sim.report.provenance import again, changes_of
from tokenflow_sim.report.study import mean_and_half
from tokenflow_sim.results.totals import Totals

XLINK = "{http://www.w3.org/1999/xlink}href"


def parsed(text: str) -> Element:
    """Parse a page, refusing everything that is not valid HTML."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    root = parser.parse(text)
    assert isinstance(root, Element)
    return root


def addresses(root: Element) -> Iterator[str]:
    for element in root.iter():
        for key in ("src", "href", "data", "action", "poster", "srcset", XLINK):
            if (value := element.get(key)) is not None:
                yield value


def text_of(root: Element) -> str:
    return re.sub(r"\s+", " ", "".join(root.itertext()))


def without_drawings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "drawings", lambda ds: iter(()))


@pytest.fixture(scope="module")
def whole(played: xr.Dataset) -> str:
    return render(played, "small.nc")


@pytest.mark.long
def test_the_page_is_valid_and_holds_all_that_it_shows(whole: str, played: xr.Dataset) -> None:
    root = parsed(whole)
    assert all(address.startswith(("data:", "#")) for address in addresses(root))
    assert not re.search(r"url\(|@import", whole.partition("</style>")[0])
    assert [
        element.tag for element in root.iter() if element.tag in ("script", "iframe", "object", "embed")
    ] == []
    images = [element for element in root.iter("img")]
    assert len(images) == len(tf.plot.figures(played))
    assert all(image.get("alt") for image in images)
    idents = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(idents) == len(set(idents))
    assert {link[1:] for link in addresses(root) if link.startswith("#")} <= set(idents)


@pytest.mark.long
def test_what_a_scenario_says_is_text_and_nothing_else(whole: str) -> None:
    shown = text_of(parsed(whole))
    assert HOSTILE.replace("\x07", "�") in shown.replace("\\a", "�") or "<script>alert(1)</script>" in shown
    assert "<script" not in whole
    assert "<b>bold" not in whole


def test_names_in_a_foreign_file_are_text_too(played: xr.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    without_drawings(monkeypatch)
    bad = "<img src=x onerror=alert(1)>\ud800\ufffe\x00"
    foreign = played.assign_coords(node=[bad.replace("\ud800", ""), "west\"'>"]).assign_attrs(
        scenario="no: [yaml", title=bad
    )
    text = render(foreign, "<file>.nc")
    root = parsed(text)
    assert list(root.iter("img")) == []
    assert root.find("head/title") is not None
    assert "<img src=x onerror=alert(1)>���" in text_of(root)
    assert "cannot be read" in text


def test_two_reports_of_one_run_are_the_same(played: xr.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    without_drawings(monkeypatch)
    assert render(played, "a.nc") == render(played, "a.nc")


@pytest.mark.parametrize(
    "lost", [["flow"], ["price"], ["payment", "revenue"], ["demand"], ["certificate"], ["profit"]]
)
def test_a_run_that_recorded_little_has_a_report(
    played: xr.Dataset, monkeypatch: pytest.MonkeyPatch, lost: list[str]
) -> None:
    without_drawings(monkeypatch)
    root = parsed(render(played.drop_vars(lost), "part.nc"))
    assert "Not recorded, and what needs it is left out: " in text_of(root)


def numbers(table: Table, column: int) -> dict[str, float]:
    return {row[0]: float(row[column].replace(",", "")) for row in table.rows if row[column] != "-"}


def test_the_statement_is_what_was_paid(played: xr.Dataset, scenario: tf.Scenario) -> None:
    totals = Totals(played)
    statement, firms = tables.statement(totals), tables.providers(totals)
    regions, owners = tables.regions(totals, scenario), tables.owners(totals, scenario)
    assert statement is not None
    assert firms is not None
    assert regions is not None
    assert owners is not None
    paid = numbers(statement, 1)
    assert paid["Demand pays"] == pytest.approx(float(played.payment.sum()), abs=0.5)
    assert abs(paid["Residual: money in less money out"]) < 1e-9 * paid["Demand pays"]

    sold = (played.dispatch * 3600).groupby("asset_provider").sum(...).to_series()
    earned = played.revenue.groupby("asset_provider").sum(...).to_series()
    for name in ("ant", "bee"):
        assert numbers(firms, 1)[name] == pytest.approx(sold[name], rel=1e-3)
        assert numbers(firms, 2)[name] == pytest.approx(earned[name], abs=0.5)
        profit = float(played.profit.sel(provider=name).sum())
        assert numbers(firms, 4)[name] == pytest.approx(profit, abs=0.5)
    for node in ("east", "west"):
        payment = float(played.payment.sel(node=node).sum())
        assert numbers(regions, 4)[node] == pytest.approx(payment, abs=0.5)

    # One tariff of 0.01 $/GB and a payload of 1 and 10 GB/Mtok: what transport costs, by hand.
    moved = played.flow.sum(["period", "arc"]) * 3600
    cost = float(moved.sel(workload="chat") * 0.01 + moved.sel(workload="image") * 0.1)
    assert numbers(owners, 3)["network"] == pytest.approx(cost, rel=2e-3)
    income = numbers(owners, 2)["network"]
    assert numbers(owners, 4)["network"] == pytest.approx(income - numbers(owners, 3)["network"], abs=1.0)


def test_small_parties_are_added_up(played: xr.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MOST_ROWS", 1)
    table = tables.providers(Totals(played))
    assert table is not None
    assert [row[0] for row in table.rows] == ["2 other providers", "all"]
    assert table.rows[0][1:-1] == table.rows[1][1:-1]


@pytest.mark.parametrize("changes", [{}, {"periods": 2, "demand.scale": 30.5, "market.must_serve": False}])
def test_the_command_to_run_it_again_names_every_change(changes: dict[str, object]) -> None:
    scenario = tf.load_scenario("us5", changes)
    assert changes_of(scenario) == changes
    attrs = {"seed": 7, "strategies": "{}"}
    *_, code = again(xr.Dataset(attrs=attrs), scenario, "run.nc")
    words = shlex.split(code.text)  # type: ignore[union-attr]
    sets = [words[place + 1].split("=") for place, word in enumerate(words) if word == "--set"]
    assert words[:3] == ["tokenflow", "run", "us5"]
    assert words[words.index("--seed") + 1] == "7"
    assert scenario.to_yaml() == tf.load_scenario("us5", dict(sets)).to_yaml()


def test_a_scenario_of_ones_own_is_run_again_from_its_text(played: xr.Dataset, scenario: tf.Scenario) -> None:
    assert changes_of(scenario) is None
    *_, code = again(played, scenario, "run.nc")
    assert code.text == "tokenflow run small.yaml --seed 5 --out again.nc"  # type: ignore[union-attr]
    chosen = played.assign_attrs(strategies=json.dumps({"ant": {"name": "fixed_markup", "markup": 0.2}}))
    *_, code = again(chosen, scenario, "run.nc")
    assert "TokenMarket.from_results(tf.load_results('run.nc'))" in code.text  # type: ignore[union-attr]
    unknown = played.assign_attrs(strategies="null")
    assert "do not say all" in next(iter(again(unknown, scenario, "run.nc"))).text  # type: ignore[union-attr]


@pytest.fixture
def comparison() -> xr.Dataset:
    rng = np.random.default_rng(1)
    shape = {"strategy": ["<i>truth", "markup"], "seed": range(6), "provider": ["ant", "bee"]}
    profit = xr.DataArray(rng.normal(10, 2, (2, 6, 2)), shape, attrs={"units": "$", "long_name": "profit"})
    welfare = xr.DataArray(
        rng.normal(5, 1, (2, 6)), dict(itertools.islice(shape.items(), 2)), attrs={"units": "$"}
    )
    attrs = {
        "title": "comparison of <strategies>",
        "tokenflow_sim_version": "0.1.0",
        "format": "tokenflow_sim comparison",
    }
    return xr.Dataset({"profit": profit, "welfare": welfare}, attrs=attrs)


def test_a_study_has_means_and_intervals(comparison: xr.Dataset) -> None:
    mean, half = mean_and_half(comparison.welfare)
    assert half is not None
    for strategy in comparison.strategy.values:
        sample = comparison.welfare.sel(strategy=strategy).values
        low, high = stats.ttest_1samp(sample, 0.0).confidence_interval(0.95)
        assert float(mean.sel(strategy=strategy)) == pytest.approx((low + high) / 2)
        assert float(half.sel(strategy=strategy)) == pytest.approx((high - low) / 2)
    text = text_of(parsed(render(comparison, "study.nc")))
    for shown in ("comparison of <strategies>", "<i>truth", "6 seeds", " ± ", "bee"):
        assert shown in text


def test_a_study_with_failed_runs_says_so(comparison: xr.Dataset) -> None:
    holed = comparison.assign(welfare=comparison.welfare.where(comparison.seed > 0))
    text = text_of(parsed(render(holed.assign_attrs(failures="seed 0: infeasible"), "study.nc")))
    assert "Some runs failed: seed 0: infeasible" in text
    assert "2 of 12 numbers of welfare are missing." in text


def test_a_study_of_many_dims_is_shown_in_part_and_says_so() -> None:
    swept = xr.DataArray(np.arange(30 * 70 * 12.0).reshape(30, 70, 12), dims=["a", "b", "c"], name="cost")
    coords = {dim: np.arange(size) / 2 for dim, size in swept.sizes.items()}
    ds = xr.Dataset({"cost": swept.assign_coords(coords)}, attrs={"tokenflow_sim_version": "0.1.0"})
    root = parsed(render(ds, "sweep.nc"))
    text = text_of(root)
    assert len(list(root.iter("table"))) == 12
    assert "The first 60 x 10 of 70 x 30" in text
    assert "c 5.5" in text


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_a_study_is_read_from_its_file_and_from_its_store(
    comparison: xr.Dataset, tmp_path, suffix: str
) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / f"study{suffix}"
    comparison.to_netcdf(path) if suffix == ".nc" else comparison.to_zarr(path, consolidated=False)
    assert write_report(path, tmp_path / "page.html") == tmp_path / "page.html"
    assert "comparison of &lt;strategies&gt;" in (tmp_path / "page.html").read_text(encoding="utf-8")
    with pytest.raises(ResultError, match="exists already"):
        write_report(path, tmp_path / "page.html")
    assert [item.name for item in tmp_path.iterdir() if item.name.endswith(".part")] == []


def test_what_holds_no_results_is_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    xr.Dataset({"a": ("x", [1.0])}).to_netcdf(tmp_path / "foreign.nc")
    (tmp_path / "broken.nc").write_text("not a file of numbers")
    xr.Dataset({"a": ("x", [1.0])}).to_zarr(tmp_path / "foreign.zarr", consolidated=False)
    for name, message in (
        ("foreign.nc", "not a result of tokenflow_sim"),
        ("broken.nc", "damaged, or no NetCDF-4 file"),
        ("absent.nc", "does not exist"),
        ("foreign.zarr", "no results of tokenflow_sim"),
        ("absent.zarr", "no such Zarr store"),
    ):
        with pytest.raises(ResultError, match=message):
            render(tmp_path / name)


def test_a_missing_extra_is_told(played: xr.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(pages, "import_module", nothing)
    with pytest.raises(ResultError, match=r'pip install "tokenflow-sim\[report\]"'):
        render(played)


def test_a_bundled_scenario_with_a_series_is_run_again_from_its_text() -> None:
    prices = pd.DataFrame({"dallas": [0.05, 0.06]}, pd.date_range("2026-01-05", periods=2, freq="h"))
    scenario = tf.load_scenario("us5", {"start": "2026-01-05", "periods": 2, "electricity.series": prices})
    assert changes_of(scenario) is None
    assert changes_of(tf.load_scenario("us5", {"periods": 2})) == {"periods": 2}
