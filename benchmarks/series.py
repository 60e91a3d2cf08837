"""What a year of hourly prices at many nodes takes: ``python -m benchmarks.series``.

A market of 100 nodes and 400 arcs gets a year of prices, as a DataFrame and from files, and its model is made. Then a
day of it is played, and its result is saved. Times are the best of several, after imports.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import pandas as pd

import tokenflow_sim as tf
from benchmarks.page import Table, versions, write_section
from tokenflow_sim.scenario import write_synthetic

START, HOURS, DAY = "2025-01-01", 8760, 24
MOST_SECONDS, MOST_MEGABYTES = 0.5, 1.0


def prices_of(nodes: list[str]) -> pd.DataFrame:
    """Return a year of prices in $/kWh with the five digits that markets publish, alike over nodes and hours."""
    rng = np.random.default_rng(1)
    hour = np.arange(HOURS)
    common = 40 + 15 * np.sin(2 * np.pi * (hour % 24 - 9) / 24) + np.cumsum(rng.normal(0, 0.3, HOURS))
    local = common[:, np.newaxis] + rng.normal(0, 4, (HOURS, len(nodes)))
    index = pd.date_range(START, periods=HOURS, freq="h", tz="UTC", name="time")
    return pd.DataFrame(local.round(2) / 1000, index, nodes)


def best(job: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Return the least seconds by the clock and by the processor that a job takes."""
    found = []
    for _ in range(repeats):
        begin, busy = perf_counter(), process_time()
        job()
        found.append((perf_counter() - begin, process_time() - busy))
    clock, processor = zip(*found, strict=True)
    return min(clock), min(processor)


def main() -> None:
    """Measure, and write the section of the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=100, help="nodes of the market")
    parser.add_argument("--arcs", type=int, default=400, help="its arcs")
    parser.add_argument("--repeats", type=int, default=5, help="how often a model is made")
    given = parser.parse_args()
    table = Table()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_synthetic(folder / "market", nodes=given.nodes, arcs=given.arcs, seed=1)
        scenario = tf.load_scenario(folder / "market")
        frame = prices_of(list(scenario.nodes))
        frame.to_parquet(folder / "prices.parquet")
        frame.to_csv(folder / "prices.csv")
        ways: dict[str, object] = {
            "without a series": None,
            "a year of prices as a DataFrame": frame,
            "as Parquet": folder / "prices.parquet",
            "as CSV": folder / "prices.csv",
        }
        for way, series in ways.items():
            changes = {"start": START, "periods": DAY}
            changes |= {} if series is None else {"electricity.series": series}

            def make(changes: dict[str, object] = changes) -> tf.TokenMarket:
                return tf.TokenMarket(scenario, rng=1, overrides=changes)

            make()  # what is imported on first use is imported before the clock starts
            clock, processor = best(make, given.repeats)
            row = f"making the model, {way}"
            table.set(row, "seconds", f"{clock:.2f}")
            table.set(row, "processor time, s", f"{processor:.2f}")
            if series is frame:
                table.set(row, "to reach", f"at most {MOST_SECONDS:g} s")
        year = {"start": START, "periods": DAY, "electricity.series": frame}
        model = tf.TokenMarket(scenario, rng=1, overrides=year)
        begin, busy = perf_counter(), process_time()
        model.run()
        results = model.results()
        results.to_netcdf(folder / "day.nc")
        row = "playing and saving a day of it (xarray, not compressed)"
        table.set(row, "seconds", f"{perf_counter() - begin:.2f}")
        table.set(row, "processor time, s", f"{process_time() - busy:.2f}")
        table.set(row, "file, MB", f"{(folder / 'day.nc').stat().st_size / 1e6:.2f}")
        begin, busy = perf_counter(), process_time()
        tf.TokenMarket(scenario, rng=1, overrides=year, out=folder / "streamed.nc").run()
        row = "the same, streamed to a file"
        table.set(row, "seconds", f"{perf_counter() - begin:.2f}")
        table.set(row, "processor time, s", f"{process_time() - busy:.2f}")
        table.set(row, "file, MB", f"{(folder / 'streamed.nc').stat().st_size / 1e6:.2f}")
        table.set(row, "to reach", f"at most {MOST_MEGABYTES:g} MB")
        attrs = tf.load_results(folder / "streamed.nc").attrs
        text = sum(len(attrs.get(name, "")) for name in ("scenario", "scenario_series"))
        table.set(row, "of it scenario and series, MB", f"{text / 1e6:.2f}")
    page = f"{table.text()}\n\n{versions()}"
    write_section("series", page)
    print(page)


if __name__ == "__main__":
    main()
