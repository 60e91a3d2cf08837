"""A layout: labels and incidence, equal by content, and the dress of plain numbers."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.market.small import small
from tokenflow_sim.market.layout import Layout
from tokenflow_sim.variables import CLEARING, MARKET

PLAIN = small(
    assets=[("west", 1.0, 5.0), ("east", 3.0, 5.0)],
    demand=[2.0, 4.0],
    arcs=[("east", "west", 1.0)],
    owner="tier1",
).layout
STEPPED = small(
    assets=[("west", [[1.0, 2.0]], [[5.0, 1.0]])],
    demand=[[[2.0, 1.0]], [[0.0, 0.0]]],
    value=9.0,
    nodes=("west", "east"),
).layout


def twin(layout: Layout) -> Layout:
    return pickle.loads(pickle.dumps(layout))


def test_it_is_equal_by_labels_and_incidence() -> None:
    assert twin(PLAIN) == PLAIN
    assert hash(twin(PLAIN)) == hash(PLAIN)
    assert PLAIN != STEPPED
    assert PLAIN != "layout"


@pytest.mark.parametrize(
    "changes",
    [
        {"nodes": pd.Index(["west", "north"])},
        {"workloads": pd.Index(["code"])},
        {"assets": pd.Index(["a", "b"])},
        {"arcs": pd.Index(["line"])},
        {"asset_node": np.array([1, 0])},
        {"origin": np.array([0]), "destination": np.array([1])},
        {"provider": ("acme", "acme")},
        {"owner": ("region",)},
        {"blocks": pd.Index(["b0"])},
        {"steps": pd.Index(["s0"])},
        {"link_unit": "Mtok/s"},
    ],
)
def test_any_change_makes_another(changes: dict[str, object]) -> None:
    assert replace(PLAIN, **changes) != PLAIN


def test_sizes_and_labels() -> None:
    assert PLAIN.sizes == {"node": 2, "workload": 1, "asset": 2, "arc": 1, "block": 1, "step": 1}
    assert STEPPED.sizes["block"] == STEPPED.sizes["step"] == 2
    assert list(STEPPED.index("block")) == ["b0", "b1"]
    with pytest.raises(KeyError, match="block"):
        PLAIN.index("block")
    with pytest.raises(KeyError, match="colour"):
        PLAIN.index("colour")


def test_coordinates_tell_where_everything_is() -> None:
    coords = PLAIN.coords
    assert coords["asset_node"].to_numpy().tolist() == ["west", "east"]
    assert coords["origin"].to_numpy().tolist() == ["east"]
    assert coords["destination"].to_numpy().tolist() == ["west"]
    assert coords["owner"].to_numpy().tolist() == ["tier1"]
    assert coords["provider"].attrs["long_name"] == "provider that owns the asset"
    assert "block" not in coords
    assert "block" in STEPPED.coords


def test_only_some_variables_have_blocks_and_steps() -> None:
    assert STEPPED.dims_of(MARKET["offer_price"]) == ("asset", "workload", "block")
    assert STEPPED.dims_of(CLEARING["unserved"]) == ("node", "workload", "step")
    assert STEPPED.dims_of(CLEARING["price"]) == ("node", "workload")
    assert STEPPED.dims_of(MARKET["power_use"]) == ("asset", "workload")
    assert PLAIN.dims_of(MARKET["offer_price"]) == ("asset", "workload")


def test_plain_numbers_are_dressed_with_labels_unit_and_meaning() -> None:
    labelled = PLAIN.label(CLEARING["dispatch"], np.array([[[1.5]], [[2.5]]]))
    assert labelled.name == "dispatch"
    assert labelled.dims == ("asset", "workload")
    assert labelled.attrs == {"units": "Mtok/s", "long_name": "dispatch"}
    assert labelled.sel(asset="east1", workload="chat").item() == 2.5
    assert set(labelled.coords) == {"asset", "workload", "asset_node", "provider"}
    again = PLAIN.label(CLEARING["dispatch"], np.zeros((2, 1, 1)))
    assert labelled.sel(asset="east1", workload="chat").item() == 2.5
    assert not again.any()
    assert (
        replace(PLAIN, link_unit="Mtok/s").label(CLEARING["congestion_rent"], np.zeros(1)).attrs["units"]
        == "$/Mtok"
    )


def test_the_dress_of_one_array_is_not_that_of_another() -> None:
    one, other = (PLAIN.label(CLEARING["price"], np.zeros((2, 1))) for _ in range(2))
    one.attrs["units"] = "EUR/Mtok"
    one.coords["node"] = ["x", "y"]
    one.name = "changed"
    assert other.attrs["units"] == "$/Mtok"
    assert other.coords["node"].to_numpy().tolist() == ["west", "east"]
    fresh = PLAIN.label(CLEARING["price"], np.zeros((2, 1)))
    assert fresh.attrs["units"] == "$/Mtok"
    assert fresh.name == "price"


def test_numbers_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="reshape"):
        PLAIN.label(CLEARING["price"], np.zeros((3, 1)))


def test_an_array_is_dressed_as_xarray_itself_would() -> None:
    """What is put together part by part equals what the constructor makes, and behaves like it."""
    values = np.array([[[1.0]], [[2.0]]])
    ours = PLAIN.label(CLEARING["dispatch"], values)
    theirs = xr.DataArray(
        values[:, :, 0],
        dims=("asset", "workload"),
        coords={name: PLAIN.coords[name] for name in ("asset", "workload", "asset_node", "provider")},
        name="dispatch",
        attrs={"units": "Mtok/s", "long_name": "dispatch"},
    )
    xr.testing.assert_identical(ours, theirs)
    assert set(ours.xindexes) == set(theirs.xindexes)
    for thing, other in ((ours, theirs), (ours.variable, theirs.variable)):
        slots = {slot for kind in type(thing).__mro__ for slot in getattr(kind, "__slots__", ())} - {
            "__weakref__"
        }
        assert {slot for slot in slots if hasattr(thing, slot)} == {
            slot for slot in slots if hasattr(other, slot)
        }
    xr.testing.assert_identical((ours + 1).sum("asset"), (theirs + 1).sum("asset"))
    xr.testing.assert_identical(pickle.loads(pickle.dumps(ours)), theirs)
