"""The ledger: in memory and in a file, whole or not at all."""

from __future__ import annotations

import gc
import os
import shutil
import stat
import tracemalloc
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import xarray as xr

import tokenflow_sim as tf
from tests.strategies.samples import Elastic, Learner
from tokenflow_sim.market import Clearer
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.results import ledger, plan
from tokenflow_sim.results.parts import price_parts
from tokenflow_sim.scenario import Scenario, load_scenario
from tokenflow_sim.variables import EMISSIONS, LIMITS, RESULTS


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load_scenario("us5", {"demand.scale": 30, "periods": 7})


@pytest.fixture(scope="module")
def clearer(scenario: Scenario) -> Clearer:
    return Clearer(scenario.market())


@pytest.fixture
def make(scenario: Scenario, clearer: Clearer) -> Any:
    def market(**changes: Any) -> TokenMarket:
        return TokenMarket(**{"scenario": scenario, "rng": 3, "clearer": clearer, **changes})

    return market


@pytest.fixture(params=[1, 3, 7, 168])
def chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Periods that are written together."""
    monkeypatch.setattr(plan, "_CHUNK_PERIODS", request.param)
    return int(request.param)


def assert_same(one: xr.Dataset, other: xr.Dataset) -> None:
    xr.testing.assert_identical(one, other)
    for name in one.variables:
        assert one[name].dtype == other[name].dtype, name
        assert one[name].values.tobytes() == other[name].values.tobytes(), name


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# In memory and in a file


def test_a_streamed_file_equals_the_dataset_in_memory(make: Any, chunk: int, tmp_path: Path) -> None:
    strategies = {"dallas_dc": Learner(), "dallas": Elastic()}
    overrides = {"market.must_serve": False}
    kept = make(strategies=strategies, overrides=overrides, clearer=None)
    streamed = make(strategies=strategies, overrides=overrides, clearer=None, out=tmp_path / "run.nc")
    kept.run()
    streamed.run()
    assert leftovers(tmp_path) == ["run.nc"]
    with tf.load_results(tmp_path / "run.nc") as loaded, streamed.results() as lazy:
        assert "block" in loaded.dims
        assert_same(loaded, kept.results())
        assert_same(lazy, kept.results())


def test_results_do_not_depend_on_the_chunks(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "_CHUNK_PERIODS", 2)
    small = make()
    small.run()
    monkeypatch.setattr(plan, "_CHUNK_PERIODS", 168)
    large = make()
    large.run()
    assert_same(small.results(), large.results())


def test_saving_and_streaming_write_the_same(make: Any, tmp_path: Path) -> None:
    kept, streamed = make(), make(out=tmp_path / "streamed.nc")
    kept.run()
    streamed.run()
    assert tf.save_results(kept.results(), tmp_path / "saved.nc") == tmp_path / "saved.nc"
    with tf.load_results(tmp_path / "saved.nc") as saved, tf.load_results(tmp_path / "streamed.nc") as other:
        assert_same(saved, kept.results())
        assert_same(saved, other)
    assert leftovers(tmp_path) == ["saved.nc", "streamed.nc"]


def test_results_can_be_looked_at_while_the_run_goes_on(make: Any, chunk: int, tmp_path: Path) -> None:
    kept, streamed = make(), make(out=tmp_path / "run.nc")
    for model in (kept, streamed):
        model.run_for(4)
    assert_same(streamed.results(), kept.results())
    assert not (tmp_path / "run.nc").exists()
    for model in (kept, streamed):
        model.run()
    with tf.load_results(tmp_path / "run.nc") as loaded:
        assert_same(loaded, kept.results())


def test_results_are_a_copy(make: Any) -> None:
    model = make()
    model.run_for(2)
    model.results().price[:] = -1.0
    assert float(model.results().price.min()) >= 0


def test_a_run_that_is_closed_early_keeps_what_was_played(make: Any, tmp_path: Path) -> None:
    model = make(out=tmp_path / "run.nc")
    model.run_for(3)
    model.close()
    model.close()
    assert not model.running
    with tf.load_results(tmp_path / "run.nc") as loaded:
        assert loaded.sizes["period"] == 3


def test_a_run_that_goes_on_streams_its_own_periods(make: Any, chunk: int, tmp_path: Path) -> None:
    whole, half, rest = make(), make(), make(out=tmp_path / "rest.nc")
    whole.run()
    half.run_for(4)
    rest.set_state(half.get_state())
    rest.run()
    with tf.load_results(tmp_path / "rest.nc") as loaded:
        assert loaded.period.values.tolist() == [4, 5, 6]
        assert_same(loaded, whole.results().isel(period=slice(4, None)))


def test_a_file_is_opened_lazily_and_a_period_at_a_time_is_read(make: Any, tmp_path: Path) -> None:
    make(out=tmp_path / "run.nc").run()
    with tf.load_results(tmp_path / "run.nc") as loaded:
        assert not loaded.price.variable._in_memory
        assert loaded.price.isel(period=2).shape == (5, 4)
        assert not loaded.price.variable._in_memory


def test_only_what_is_asked_for_is_recorded(make: Any, tmp_path: Path) -> None:
    whole, part = make(), make(record=["price_scarcity", "price", "welfare"], out=tmp_path / "run.nc")
    whole.run()
    part.run()
    with tf.load_results(tmp_path / "run.nc") as loaded:
        assert list(loaded.data_vars) == ["price", "price_scarcity", "welfare"]
        for name in loaded.data_vars:
            np.testing.assert_array_equal(loaded[name], whole.results()[name])


def test_memory_does_not_grow_with_the_periods(scenario: Scenario, clearer: Clearer, tmp_path: Path) -> None:
    def grown(periods: int) -> int:
        model = TokenMarket(
            scenario, rng=1, periods=periods, history=5, clearer=clearer, out=tmp_path / f"{periods}.nc"
        )
        model.ledger.plan.__dict__["chunk"] = 20
        model.ledger._start_chunk()
        model.datacollector = _Nothing()
        model.run_for(60)
        gc.collect()
        tracemalloc.start()
        model.run()
        gc.collect()
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return size

    short, long = grown(120), grown(300)
    # 180 more periods of us5 are 1.3 MB of numbers.
    assert long - short < 100_000


class _Nothing:
    def collect(self, model: object) -> None:
        """Keep no scalars: Mesa's frames grow by a few numbers a period."""


# Whole or not at all


def test_an_existing_file_is_refused_before_anything_is_played(make: Any, tmp_path: Path) -> None:
    target = tmp_path / "run.nc"
    target.write_text("mine")
    with pytest.raises(tf.ResultError, match=r"exists already; .*--force"):
        make(out=target)
    assert target.read_text() == "mine"
    assert leftovers(tmp_path) == ["run.nc"]
    model = make(out=target, force=True)
    model.run_for(3)
    assert target.read_text() == "mine"
    model.run()
    with tf.load_results(target) as loaded:
        assert loaded.sizes["period"] == 7


def test_saving_refuses_an_existing_file(make: Any, tmp_path: Path) -> None:
    model, target = make(), tmp_path / "run.nc"
    model.run()
    target.write_text("mine")
    with pytest.raises(tf.ResultError, match="exists already"):
        tf.save_results(model.results(), target)
    assert target.read_text() == "mine"
    tf.save_results(model.results(), target, force=True)
    with tf.load_results(target) as loaded:
        assert_same(loaded, model.results())
    assert leftovers(tmp_path) == ["run.nc"]


def test_a_file_that_appears_meanwhile_is_not_overwritten(make: Any, tmp_path: Path) -> None:
    model, target = make(out=tmp_path / "run.nc"), tmp_path / "run.nc"
    model.run_for(6)
    target.write_text("somebody else's")
    with pytest.raises(tf.ResultError, match=r"somebody else meanwhile.*kept as") as caught:
        model.run()
    assert target.read_text() == "somebody else's"
    kept = Path(str(caught.value).rpartition(" kept as ")[2])
    with tf.load_results(kept) as loaded:
        assert loaded.sizes["period"] == 7


def test_a_run_that_fails_keeps_the_periods_before(make: Any, chunk: int, tmp_path: Path) -> None:
    class Bad(Learner):
        def offer(self, view: tf.View) -> tf.Offer:
            offer = super().offer(view)
            return offer if view.period < 5 else tf.Offer(offer.price, -offer.quantity)

    model = make(strategies={"dallas_dc": Bad()}, clearer=None, out=tmp_path / "run.nc")
    with pytest.raises(tf.StrategyError) as caught:
        model.run()
    (note,) = (note for note in caught.value.__notes__ if "kept" in note)
    assert "periods 0 to 4 of 7 are kept in" in note
    assert "run.partial.nc" in note
    assert leftovers(tmp_path) == ["run.partial.nc"]
    memory = make(strategies={"dallas_dc": Bad()}, clearer=None)
    with pytest.raises(tf.StrategyError, match="negative") as caught:
        memory.run()
    assert any("periods 0 to 4 of 7 are kept in memory" in note for note in caught.value.__notes__)
    with tf.load_results(tmp_path / "run.partial.nc") as partial, model.results() as same:
        assert_same(partial.drop_attrs(), memory.results().drop_attrs())
        assert_same(partial, same)
        assert partial.attrs["partial"] == "5 of 7 periods"
    with pytest.raises(tf.ResultError, match="closed"):
        model.ledger.append({}, None, None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_an_interrupted_run_keeps_the_periods_before(
    error: type[BaseException], make: Any, tmp_path: Path
) -> None:
    class Interrupting(Learner):
        def offer(self, view: tf.View) -> tf.Offer:
            if view.period == self.ends:
                raise error
            return super().offer(view)

    for ends, left in ((0, []), (2, ["run.partial.nc"])):
        Interrupting.ends = ends
        model = make(strategies={"dallas_dc": Interrupting()}, clearer=None, out=tmp_path / "run.nc")
        with pytest.raises((error, tf.StrategyError)):
            model.run()
        assert leftovers(tmp_path) == left
        assert left or not hasattr(model.ledger._stream.result, "name")
    assert model.results().sizes["period"] == 2


def test_a_model_that_is_forgotten_leaves_no_file(make: Any, tmp_path: Path) -> None:
    model = make(out=tmp_path / "run.nc")
    model.run_for(2)
    assert len(leftovers(tmp_path)) == 1
    del model
    gc.collect()
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("place", "told"), [("no/such/run.nc", "does not exist; make it first"), (".", "is a folder")]
)
def test_places_that_cannot_hold_a_file_are_told(make: Any, tmp_path: Path, place: str, told: str) -> None:
    with pytest.raises(tf.ResultError, match=told):
        make(out=tmp_path / place)
    model = make()
    model.run_for(1)
    with pytest.raises(tf.ResultError, match=told):
        tf.save_results(model.results(), tmp_path / place)


def test_a_full_disk_is_told_and_leaves_no_file(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make(out=tmp_path / "run.nc")

    monkeypatch.setattr(model.ledger._stream, "_file", _Full(model.ledger._stream._file))
    told = r"run.nc: cannot be written, since the disk is full \(No space left.*free some space"
    with pytest.raises(tf.ResultError, match=told):
        model.run()
    assert leftovers(tmp_path) == []


class _Full:
    def __init__(self, file: netCDF4.Dataset) -> None:
        self.file = file

    def __getitem__(self, name: str) -> Any:
        raise OSError(28, "No space left on device")

    def close(self) -> None:
        self.file.close()


def test_a_file_system_without_links_will_do(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", no_links)
    make(out=tmp_path / "run.nc").run()
    assert leftovers(tmp_path) == ["run.nc"]


def test_a_written_file_is_readable_by_all_who_may_read_the_folder(make: Any, tmp_path: Path) -> None:
    make(out=tmp_path / "run.nc").run()
    (tmp_path / "plain").touch()
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 1


# Reading


@pytest.fixture
def written(make: Any, tmp_path: Path) -> Path:
    make(out=tmp_path / "run.nc").run()
    return tmp_path / "run.nc"


def test_a_missing_file_is_told_with_what_there_is(written: Path) -> None:
    with pytest.raises(tf.ResultError, match=r"rum.nc: does not exist; result files in .*: run.nc"):
        tf.load_results(written.with_name("rum.nc"))
    with pytest.raises(tf.ResultError, match="is a folder"):
        tf.load_results(written.parent)


@pytest.mark.parametrize(
    "content", [b"", b"price,node\n1,2\n", b"CDF\x01", b"\x89HDF\r\n\x1a\n" + b"\0" * 500]
)
def test_what_is_no_netcdf_file_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.nc").write_bytes(content)
    with pytest.raises(tf.ResultError, match=r"run.nc: .*(cannot be read|not a result)"):
        tf.load_results(tmp_path / "run.nc")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_half_a_file_is_told(written: Path, share: float) -> None:
    data = written.read_bytes()
    written.write_bytes(data[: int(share * len(data))])
    with pytest.raises(tf.ResultError, match="damaged"):
        tf.load_results(written)


def test_another_programs_file_is_told(tmp_path: Path) -> None:
    xr.Dataset({"price": ("period", [1.0])}).to_netcdf(tmp_path / "other.nc")
    with pytest.raises(tf.ResultError, match="not a result of tokenflow_sim"):
        tf.load_results(tmp_path / "other.nc")


def test_a_newer_format_is_told(written: Path) -> None:
    with netCDF4.Dataset(written, "a") as file:
        file.format_version = np.int64(99)
    with pytest.raises(tf.ResultError, match=r"format version 99.*update"):
        tf.load_results(written)


def test_a_file_can_be_moved_and_read_without_the_package(written: Path, tmp_path: Path) -> None:
    moved = tmp_path / "élan été.nc"
    shutil.move(written, moved)
    with netCDF4.Dataset(moved) as file:
        assert file.dimensions["period"].isunlimited()
        assert file["price"].units == "$/Mtok"
        assert file["price"].filters()["zlib"]
        assert list(file["node"][:]) == ["ashburn", "dallas", "silicon_valley", "chicago", "seattle"]
        assert "asset_provider" in file["dispatch"].coordinates
    with tf.load_results(moved) as loaded:
        assert loaded.attrs["seed"] == 3
        assert TokenMarket.from_results(loaded).settings.periods == 7


def test_results_that_do_not_say_how_they_were_made_are_told(make: Any) -> None:
    model = make(strategies={"dallas_dc": Nameless(1.0)})
    model.run_for(1)
    results = model.results()
    with pytest.raises(tf.ResultError, match="could not be written down"):
        TokenMarket.from_results(results)
    del results.attrs["seed"]
    with pytest.raises(tf.ResultError, match="they lack seed"):
        TokenMarket.from_results(results)


class Nameless(tf.Strategy):
    def __init__(self, step: float) -> None:
        self._step = step

    def offer(self, view: tf.View) -> tf.Offer:
        return tf.Offer(view.cost, view.capacity)


def test_a_seed_too_long_for_a_file_is_kept_as_text(make: Any, tmp_path: Path) -> None:
    model = make(rng=2**70, periods=1, out=tmp_path / "run.nc")
    model.run()
    with tf.load_results(tmp_path / "run.nc") as loaded:
        assert loaded.attrs["seed"] == str(2**70)
        assert TokenMarket.from_results(loaded).seed == 2**70


# The parts of prices


def test_the_parts_of_many_periods_are_those_of_each(scenario: Scenario, clearer: Clearer) -> None:
    rng = np.random.default_rng(0)
    market = scenario.market()
    periods, singles = [], []
    for factor in (1e-3, 0.3, 1.0, 7.0, 40.0):  # so that the largest prices stand far apart
        arrays = market.arrays.with_(
            offer_price=factor * market.arrays.offer_price * rng.uniform(0.5, 2, (5, 4, 1)),
            demand=market.arrays.demand * rng.uniform(0.2, 1.1, (5, 4, 1)),
            route_cost=factor * market.arrays.route_cost,
        )
        clearing = clearer.clear(tf.Market.from_arrays(market.layout, arrays))
        true_cost = arrays.offer_price[:, :, 0] * rng.uniform(0.5, 1.0, (5, 4))
        running, carbon = (true_cost * rng.uniform(0.0, 0.5, (5, 4)) for _ in range(2))
        periods.append((arrays, clearing.values, (true_cost, running, carbon)))
        singles.append(
            tf.decompose(
                clearing.market,
                clearing,
                true_cost=true_cost,
                electricity_cost=true_cost - running - carbon,
                carbon_cost=carbon,
            )
        )
    parts = price_parts(market.layout, periods)
    for name, found in parts.items():
        for period, single in enumerate(singles):
            np.testing.assert_allclose(
                found[period], single[name], rtol=1e-9, atol=1e-12, err_msg=f"{name} {period}"
            )
    assert set(ledger.PARTS) - set(LIMITS) - set(EMISSIONS) < set(RESULTS)
    total = sum(parts.values())
    np.testing.assert_allclose(total, np.stack([values.price for _, values, _ in periods]), rtol=1e-12)


def test_coordinates_that_all_datasets_of_a_run_share_cannot_be_written() -> None:
    coords = tf.TokenMarket("us5", periods=1, rng=1).ledger.plan.coords
    for _, labels in coords.values():
        with pytest.raises(ValueError, match="read-only"):
            labels[0] = labels[-1]
