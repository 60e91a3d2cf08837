"""Marginal prices of a PyPSA network become electricity prices: those that PyPSA itself has."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tokenflow_sim.errors import DataError, ResultError
from tokenflow_sim.importing import pypsa
from tokenflow_sim.importing.pypsa_files import quiet, write_network


def network(snapshots: Any = None) -> Any:
    """Two buses with a line that fills up, so that prices differ."""
    with quiet():
        import pypsa as library

        made = library.Network(name="tiny")
        made.set_snapshots(
            pd.date_range("2024-03-01", periods=3, freq="h") if snapshots is None else snapshots
        )
        made.add("Bus", ["Ham & Burg", "b/2"], x=[10.0, 0.0], y=[53.5, 0.0])
        made.add("Line", "line", bus0="Ham & Burg", bus1="b/2", x=0.1, s_nom=50)
        made.add("Generator", "wind", bus="Ham & Burg", p_nom=200, marginal_cost=-5.0)
        made.add("Generator", "gas", bus="b/2", p_nom=200, marginal_cost=80.0)
        made.add("Load", "load", bus="b/2", p_set=pd.Series([40.0, 90, 120], index=made.snapshots))
    return made


def solved() -> Any:
    made = network()
    with quiet():
        made.optimize(solver_name="highs", log_to_console=False)
    return made


@pytest.fixture(scope="module")
def with_prices() -> Any:
    return solved()


@pytest.mark.parametrize("name", ["net.nc", "net"])
def test_prices_are_those_of_pypsa(tmp_path: Path, with_prices: Any, name: str) -> None:
    write_network(with_prices, tmp_path / name)
    found = pypsa(tmp_path / name, map={"b/2": "south"}, rate=1.1)
    expected = with_prices.buses_t.marginal_price["b/2"].to_numpy() * 1.1 / 1000
    assert expected.min() < 0 < expected.max()
    np.testing.assert_allclose(found.table["south"], expected, rtol=1e-12)
    nodes = found.tables["nodes.csv"].set_index("node")
    assert nodes.loc[nodes.index != "south", ["latitude", "longitude"]].to_numpy().tolist() == [[53.5, 10]]
    assert nodes.loc["south"].isna().all()
    assert 'start: "2024-03-01 00:00:00"' in found.yaml
    assert "no coordinates  south" in str(found.summary)


def test_an_unsolved_network_says_what_to_do(tmp_path: Path, with_prices: Any) -> None:
    write_network(network(), tmp_path / "net")
    with pytest.raises(DataError, match=r"net: column 'marginal_price': .* not solved: .*--solve"):
        pypsa(tmp_path / "net")
    found = pypsa(tmp_path / "net", solve=True, buses=["b/2"])
    expected = with_prices.buses_t.marginal_price["b/2"].to_numpy() / 1000
    np.testing.assert_allclose(found.table.iloc[:, 0], expected, rtol=1e-9)


def test_a_fault_is_named(tmp_path: Path, with_prices: Any) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "net.txt").touch()
    (tmp_path / "net.nc").write_text("no such thing")
    for name, said in (
        ("missing.nc", "is not there"), ("empty", "has no buses.csv"), ("net.txt", "must be a folder"),
        ("net.nc", "cannot be read by PyPSA"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=said):
            pypsa(tmp_path / name)
    write_network(with_prices, tmp_path / "net")
    with pytest.raises(DataError, match=r"unknown bus 'b/3'.*did you mean 'b/2'"):
        pypsa(tmp_path / "net", buses=["b/3"])
    with pytest.raises(DataError, match="rate: must be above zero"):
        pypsa(tmp_path / "net", rate=0)
    with pytest.raises(DataError, match="would call several buses x"):
        pypsa(tmp_path / "net", map={"b/2": "x", "Ham & Burg": "x"})
    uneven = pd.DatetimeIndex(["2024-03-01 00:00", "2024-03-01 01:00", "2024-03-01 03:00"])
    write_network(network(uneven), tmp_path / "uneven")
    with pytest.raises(DataError, match="not evenly spaced, at 2024-03-01 03:00"):
        pypsa(tmp_path / "uneven")


def test_a_missing_library_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypsa", None)
    with pytest.raises(ResultError, match=r'needs pypsa: pip install "tokenflow-sim\[data\]"'):
        pypsa(tmp_path)
