"""Requests become demand: the sums are those that pandas finds apart, and what is dropped or assumed is said."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import tokenflow_sim as tf
from tokenflow_sim.errors import DataError, ResultError
from tokenflow_sim.importing import Imported, trace, trace_rows
from tokenflow_sim.scenario import write_template

RNG = np.random.default_rng(7)
WEIGHTS = {"input": 0.2, "output": 1.0}


def requests(count: int = 500, hours: float = 5.3) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "second": np.sort(RNG.uniform(0, hours * 3600, count)),
            "in": RNG.integers(1, 4000, count),
            "out": RNG.integers(1, 800, count),
            "model": RNG.choice(["ChatGPT", "GPT-4", "Qwen2.5/72B"], count),
        }
    )


def stamps(frame: pd.DataFrame, zone: str = "") -> pd.Series[Any]:
    at = pd.Timestamp("2023-11-16 18:15:46.6805900") + pd.to_timedelta(frame["second"], unit="s")
    return at.map(lambda time: f"{time:%Y-%m-%d %H:%M:%S.%f}{zone}")


def azure(path: Path, frame: pd.DataFrame, zone: str = "") -> None:
    table = {"TIMESTAMP": stamps(frame, zone), "ContextTokens": frame["in"], "GeneratedTokens": frame["out"]}
    pd.DataFrame(table).to_csv(path, index=False)


def burstgpt(path: Path, frame: pd.DataFrame) -> None:
    table = {
        "Timestamp": frame["second"].round(), "Model": frame["model"], "Request tokens": frame["in"],
        "Response tokens": frame["out"], "Total tokens": frame["in"] + frame["out"], "Log Type": "API log",
    }  # fmt: skip
    pd.DataFrame(table).to_csv(path, index=False)


def mooncake(path: Path, frame: pd.DataFrame) -> None:
    table = pd.DataFrame(
        {
            "timestamp": (frame["second"] * 1000).round().astype(int),
            "input_length": frame["in"],
            "output_length": frame["out"],
            "hash_ids": [[1, 2, 3]] * len(frame),
        }
    )
    table.to_json(path, orient="records", lines=True)


def vidur(path: Path, frame: pd.DataFrame) -> None:
    table = {
        "arrived_at": frame["second"],
        "num_prefill_tokens": frame["in"],
        "num_decode_tokens": frame["out"],
    }
    pd.DataFrame(table).to_csv(path, index=False)


def by_pandas(path: Path, hours: float = 1.0) -> pd.Series[Any]:
    """Mtok/s by period, of any of the forms, computed apart."""
    frame = pd.read_json(path, lines=True) if path.suffix == ".jsonl" else pd.read_csv(path)
    time, size_in, size_out = next(
        names
        for names in (
            ("TIMESTAMP", "ContextTokens", "GeneratedTokens"),
            ("Timestamp", "Request tokens", "Response tokens"),
            ("timestamp", "input_length", "output_length"),
            ("arrived_at", "num_prefill_tokens", "num_decode_tokens"),
        )
        if names[0] in frame
    )
    weighed = 0.2 * frame[size_in] + frame[size_out]
    if time == "TIMESTAMP":
        at = pd.to_datetime(frame[time], utc=True, format="ISO8601")
        total = weighed.groupby(at.dt.floor(pd.Timedelta(hours=hours))).sum()
        total = total.asfreq(pd.Timedelta(hours=hours), fill_value=0)
    else:
        unit = 1000 if time == "timestamp" else 1
        period = (frame[time] / (unit * hours * 3600)).astype(int)
        total = weighed.groupby(period).sum()
        total = total.reindex(range(total.index.min(), total.index.max() + 1), fill_value=0)
    return total / (3600 * hours) / 1e6


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("azure_conv_2023.csv", azure),
        ("azure_2024.csv", lambda path, frame: azure(path, frame, "+00:00")),
        ("burstgpt.csv", burstgpt),
        ("mooncake_head.jsonl", mooncake),
        ("vidur_splitwise_head.csv", vidur),
    ],
)
@pytest.mark.parametrize("hours", [1.0, 0.25])
def test_demand_is_what_pandas_finds(
    tmp_path: Path, name: str, make: Callable[[Path, pd.DataFrame], None], hours: float
) -> None:
    stand_in = tmp_path / name
    make(stand_in, requests())
    found = trace(stand_in, weights=WEIGHTS, hours=hours)
    expected = by_pandas(stand_in, hours).to_numpy()
    np.testing.assert_allclose(found.table["chat"], expected, rtol=1e-12)
    assert found.table["period"].tolist() == list(range(len(expected)))


def test_batches_and_compression_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = requests(5000).sample(frac=1, random_state=1)  # out of order
    path = tmp_path / "azure.csv"
    azure(path, frame)
    whole = trace(path).table
    with gzip.open(tmp_path / "azure.csv.gz", "wb") as file:
        file.write(path.read_bytes())
    monkeypatch.setattr(trace_rows, "BLOCK_BYTES", 4096)
    pd.testing.assert_frame_equal(trace(path).table, whole)
    pd.testing.assert_frame_equal(trace(tmp_path / "azure.csv.gz").table, whole)


def test_models_files_and_columns_are_classes(tmp_path: Path) -> None:
    frame = requests()
    burstgpt(tmp_path / "one.csv", frame)
    found = trace(tmp_path / "one.csv", by="model", map={"ChatGPT": "chat"})
    assert "GPT-4" in found.table
    tokens = frame["in"] + frame["out"]
    for model, column in (("ChatGPT", "chat"), ("GPT-4", "GPT-4")):
        expected = tokens[frame["model"] == model].sum() / 3600 / 1e6
        assert found.table[column].sum() == pytest.approx(expected, rel=1e-12)
    merged = trace(tmp_path / "one.csv", by="model", map=dict.fromkeys(frame["model"].unique(), "all"))
    assert merged.table["all"].sum() == pytest.approx(tokens.sum() / 3600 / 1e6, rel=1e-12)
    burstgpt(tmp_path / "two.csv", frame)
    files = trace([tmp_path / "one.csv", tmp_path / "two.csv"], by="file").table
    pd.testing.assert_series_equal(files["one"], files["two"], check_names=False)
    assert trace(tmp_path / "one.csv", by="Log Type").table["API log"].sum() > 0


def test_columns_of_another_form_are_named(tmp_path: Path) -> None:
    frame = requests()
    path = tmp_path / "own.csv"
    pd.DataFrame({"t": frame["second"] / 60, "p": frame["in"], "c": frame["out"]}).to_csv(
        path, index=False, sep=";"
    )
    columns = {"time": "t", "input": "p", "output": "c"}
    found = trace(path, columns=columns, time_unit="min")
    vidur(tmp_path / "vidur.csv", frame)
    np.testing.assert_allclose(found.table["chat"], trace(tmp_path / "vidur.csv").table["chat"], rtol=1e-12)
    azure(path, frame)
    names = {"time": "TIMESTAMP", "input": "ContextTokens", "output": "GeneratedTokens"}
    pd.testing.assert_frame_equal(trace(path, columns=names).table, trace(path).table)


def test_dates_without_a_zone_are_local_where_told(tmp_path: Path) -> None:
    path = tmp_path / "azure.csv"
    azure(path, requests())
    here, there = trace(path), trace(path, time_zone="America/Chicago")
    assert 'start: "2023-11-16 18:00:00"' in here.yaml
    assert 'start: "2023-11-17 00:00:00"' in there.yaml
    pd.testing.assert_frame_equal(here.table, there.table)


def test_what_is_dropped_is_said(tmp_path: Path) -> None:
    path = tmp_path / "burst.csv"
    path.write_text(
        "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
        "5,a,100,10,110,x\n,a,100,10,110,x\n50,a,,10,10,x\n60,a,100,0,100,x\n70,,100,10,110,x\n4000,a,100,10,110,x\n"
    )
    found = trace(path, by="model", periods=1)
    assert found.summary.entries["dropped"] == [
        "1 no time", "1 no token count", "1 failed (no output tokens)", "1 no Model", "1 after the last period",
    ]  # fmt: skip
    assert found.table["a"].tolist() == [110 / 3600 / 1e6]
    assert "rows read  6" in str(found.summary)


def test_requests_before_the_start_are_dropped(tmp_path: Path) -> None:
    path, frame = tmp_path / "azure.csv", requests()
    azure(path, frame)
    found = trace(path, start="2023-11-16 20:00", hours=0.5, periods=2)
    at = pd.to_datetime(stamps(frame))
    inside = (at >= "2023-11-16 20:00") & (at < "2023-11-16 21:00")
    assert found.table["chat"].sum() * 1800e6 == pytest.approx(
        (frame["in"] + frame["out"])[inside].sum(), rel=1e-12
    )
    assert 'start: "2023-11-16 20:00:00"' in found.yaml
    before, after = (at < "2023-11-16 20:00").sum(), (at >= "2023-11-16 21:00").sum()
    assert found.summary.entries["dropped"] == [
        f"{before} before the start",
        f"{after} after the last period",
    ]
    with pytest.raises(DataError, match="no request from 2024-01-01"):
        trace(path, start="2024-01-01")


def test_a_trace_without_dates_gets_its_start(tmp_path: Path) -> None:
    path = tmp_path / "vidur.csv"
    frame = requests()
    vidur(path, frame.assign(second=frame["second"] + 7200))
    found = trace(path, start="2024-05-10")
    assert 'start: "2024-05-10 02:00:00"' in found.yaml
    assert "start" not in trace(path).yaml


@pytest.mark.parametrize("partial", ["keep", "drop", "scale"])
def test_periods_covered_in_part_are_kept_dropped_or_scaled(tmp_path: Path, partial: Any) -> None:
    path = tmp_path / "vidur.csv"
    rows = [(1800.0 + 60 * n, 100, 20) for n in range(121)]  # from 00:30 to 02:30, one a minute
    pd.DataFrame(rows, columns=["arrived_at", "num_prefill_tokens", "num_decode_tokens"]).to_csv(
        path, index=False
    )
    found = trace(path, partial=partial).table["chat"].to_numpy() * 3600e6 / 120
    expected = {"keep": [30, 60, 31], "drop": [60], "scale": [60, 60, 62]}
    np.testing.assert_allclose(found, expected[partial], rtol=1e-12)


def test_the_lines_run_in_a_scenario(tmp_path: Path) -> None:
    write_template(tmp_path / "market")
    path = tmp_path / "azure.csv"
    azure(path, requests())
    shares = {"coast": 0.5, "plains": 0.2, "lakes": 0.3}
    found = trace(path, shares=shares, scale=10)
    found.write(tmp_path / "market" / "demand.csv")
    text = (tmp_path / "market" / "scenario.yaml").read_text()
    data = yaml.safe_load(text) | yaml.safe_load(found.yaml)
    (tmp_path / "market" / "scenario.yaml").write_text(yaml.safe_dump(data, sort_keys=False))
    scenario = tf.load_scenario(tmp_path / "market")
    demand = scenario.market(1).demand.sel(workload="chat").to_series()
    expected = 10 * trace(path).table["chat"][1] * pd.Series(shares)
    pd.testing.assert_series_equal(demand.sort_index(), expected.sort_index(), check_names=False, rtol=1e-12)


AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,374,44\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (AZURE + "2023-11-16 18:15:50,39x,109\n", ":3: column 'ContextTokens': must be a number of tokens; found"),
        (AZURE + "2023-11-16 18:15:50,396,-9\n", ":3: column 'GeneratedTokens': must be a number of tokens; found"),
        (AZURE + "2023-11-16 18:15:50,inf,9\n", ":3: column 'ContextTokens': must be a number of tokens"),
        (AZURE + "yesterday,396,9\n", ":3: column 'TIMESTAMP': must be a date and time"),
        (AZURE + "2023-11-16 18:15:50,396\n", ":3: has 2 cells where the header has 3"),
        ("", "is empty"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n", "has no request"),
        ("a,b,c\n1,2,3\n", ":1: is of no known format, with columns a, b, c"),
        ("arrived_at,num_prefill_tokens,num_decode_tokens\n0,1,1\n1e300,1,1\n", "check time_unit (--time-unit)"),
        ("arrived_at,num_prefill_tokens,num_decode_tokens\n0,1,1\n1e13,1,1\n", "too many for a table"),
        ('{"timestamp": 0, "input_length": 1, "output_length": 1}\n{"timestamp": 0,\n', ":2: is no JSON"),
        (
            '{"timestamp": 0, "input_length": 1, "output_length": 1}\n'
            '{"timestamp": 0, "input_length": "x", "output_length": 1}\n',
            ":2: column 'input_length': must be a number of tokens; found 'x'",
        ),
    ],
)  # fmt: skip
def test_a_fault_names_file_row_and_column(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        trace(path)
    assert said in str(caught.value)
    assert "trace has 1 fault:" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"weights": {"inptu": 1}}, "unknown kind of token 'inptu'"),
        ({"weights": {"input": -1}}, "of input must be zero or more"),
        ({"hours": 0}, "hours: must be above zero"),
        ({"format": "azur"}, "did you mean 'azure'"),
        ({"time_unit": "sec"}, "unknown time unit"),
        ({"columns": {"time": "TIMESTAMP"}}, r"columns \(--columns\) names no input"),
        ({"format": "vidur"}, "has no arrived_at"),
        ({"by": "model"}, "has no column of models"),
        ({"by": "Model"}, "unknown column 'Model'"),
        ({"start": "soon"}, "must be a date and time"),
        ({"time_zone": "Mars/Olympus"}, "unknown time zone"),
        ({"shares": {"a": 0}}, "needs a share above zero"),
        ({"profile": "hours.csv"}, "needs a table of nodes"),
        ({"workload": "a/b>"}, "for a name"),
    ],
)
def test_an_option_that_does_not_fit_is_said(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(AZURE)
    with pytest.raises(DataError, match=said):
        trace(path, **options)


def test_a_missing_library_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(AZURE)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ResultError, match=r'needs pyarrow: pip install "tokenflow-sim\[data\]"'):
        trace(path)


def test_hostile_traces_end_in_one_message(tmp_path: Path) -> None:
    texts = [
        AZURE,
        '{"timestamp": 0, "input_length": 1, "output_length": 1}\n',
        "0,1,1,Gamma,1,1\n600,1,1,Gamma,1,1\n",
    ]
    path = tmp_path / "trace.csv"
    ended = 0
    for number in range(300):
        raw = bytearray(texts[number % 3].encode())
        for _ in range(RNG.integers(1, 6)):
            at = RNG.integers(len(raw))
            raw[at : at + RNG.integers(0, 3)] = RNG.choice(
                [b"", b"\n", b",", b'"', b"\xff", b"9e9", b"{", b"-", b"\0"]
            )
        path.write_bytes(bytes(raw))
        try:
            found: Imported = trace(path, tokens={"input": 1, "output": 1})
        except DataError:
            ended += 1
        else:
            assert np.isfinite(found.table["chat"]).all()
    assert 30 < ended < 300
