"""ServeGen's rate tables: the integral of rate times mean tokens, found apart second by second."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tokenflow_sim.errors import DataError
from tokenflow_sim.importing import trace

ROWS = ["0,1.5,8.6,Weibull,0.37,0.39", "600,0,0,,0,0", "1200,0.25,6,Gamma,0.4,3.3", "7800,2,1,Gamma,1,1"]
TOKENS = {"input": 430.0, "output": 150.0}


def client(
    folder: Path, number: int, rows: list[str], dataset: dict[str, dict[str, str]] | None = None
) -> Path:
    path = folder / f"chunk-{number}-trace.csv"
    path.write_text("\n".join(rows) + "\n")
    if dataset is not None:
        path.with_name(f"chunk-{number}-dataset.json").write_text(json.dumps(dataset))
    return path


def by_second(path: Path, hours: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Mean requests per second by period, summed second by second."""
    table = pd.read_csv(path, header=None, usecols=[0, 1], names=["start", "rate"])
    end = 2 * table["start"].iloc[-1] - table["start"].iloc[-2]
    each = np.repeat(table["rate"].to_numpy(), np.diff([*table["start"], end]).astype(int))
    length = int(hours * 3600)
    padded = np.concatenate([each, np.zeros(-len(each) % length)])
    return np.asarray(padded.reshape(-1, length).sum(axis=1) / length)


@pytest.mark.parametrize("hours", [1.0, 0.5])
def test_rates_are_integrated_over_periods(tmp_path: Path, hours: float) -> None:
    path = client(tmp_path, 0, ROWS)
    found = trace(path, tokens=TOKENS, hours=hours, weights={"input": 0.2, "output": 1})
    expected = by_second(path, hours) * (0.2 * 430 + 150) / 1e6
    np.testing.assert_allclose(found.table["chat"], expected, rtol=1e-12)
    assert "every request has 430 input and 150 output tokens" in str(found.summary)


def test_datasets_beside_the_tables_give_the_tokens(tmp_path: Path) -> None:
    first = {"input_tokens": "{100: 0.5, 300: 0.5}", "output_tokens": "{10: 1.0}"}
    later = {"input_tokens": "{50: 1.0}", "output_tokens": "{20: 0.25, 40: 0.75}"}
    empty = {"input_tokens": "{}", "output_tokens": "{}"}
    rows = ["0,1,1,Gamma,1,1", "1800,2,1,Gamma,1,1", "3600,4,1,Gamma,1,1"]
    client(tmp_path, 0, rows, {"0": first, "1200": later, "3600": empty})
    client(tmp_path, 1, rows, {"0": later})
    found = trace(tmp_path, hours=0.5)
    tokens = [1 * (200 + 10) + 1 * (50 + 35), 2 * 2 * 85, 4 * 2 * 85]
    np.testing.assert_allclose(found.table["chat"], np.array(tokens) / 1e6, rtol=1e-12)
    assert trace([tmp_path / "chunk-1-trace.csv"], by="file", hours=0.5).table.columns[-1] == "chunk-1-trace"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (ROWS, r"gives rates of requests but no tokens: .*--tokens"),
        ([ROWS[0], "600,x,0,,0,0"], r"trace.csv:2: column 'rate': must be requests per second; found 'x'"),
        ([ROWS[0], "0,1,0,,0,0"], r":2: column 'start': must be a time in s that rises"),
        ([ROWS[0], "600,1,0"], r":2: has 3 cells where a rate table has 6"),
        ([ROWS[0]], "fewer than two rows"),
    ],
)
def test_a_fault_is_named(tmp_path: Path, rows: list[str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        trace(client(tmp_path, 0, rows))


def test_a_dataset_of_another_form_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"chunk-0-dataset.json: is no dataset of ServeGen"):
        trace(client(tmp_path, 0, ROWS, {"0": {"input_tokens": "__import__('os')", "output_tokens": "{}"}}))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no rate table"):
        trace(tmp_path / "empty")
