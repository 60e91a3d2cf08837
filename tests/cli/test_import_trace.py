"""``tokenflow import trace`` hands its options on, writes and says what it took."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.cli.conftest import Invoke

BURST = (
    "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
    "5,ChatGPT,472,18,490,Conversation log\n3700,GPT-4,417,276,693,Conversation log\n"
)


def test_a_trace_becomes_demand(tokenflow: Invoke) -> None:
    Path("burst.csv").write_text(BURST)
    done = tokenflow(
        "import", "trace", "burst.csv", "--by-model", "--map", "ChatGPT=chat", "--weights", "input=0.5,output=2",
        "--shares", "a=0.25,b=0.75", "--scale", "10", "--start", "2024-05-10", "--out", "made",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "2 requests: 889 input x 0.5 + 294 output x 2 x 10" in done.output
    table = pd.read_csv("made/demand.csv").set_index(["period", "node"])
    assert table.loc[(0, "a"), "chat"] == pytest.approx(0.25 * 10 * (236 + 36) / 3600 / 1e6, rel=1e-12)
    assert table.loc[(1, "b"), "GPT-4"] == pytest.approx(0.75 * 10 * (208.5 + 552) / 3600 / 1e6, rel=1e-12)
    assert 'start: "2024-05-10 00:00:00"' in Path("made/demand.yaml").read_text()


def test_options_that_contradict_or_cannot_be_read_are_refused(tokenflow: Invoke) -> None:
    Path("burst.csv").write_text(BURST)
    for words, said in (
        (["--by-model", "--by-file"], "give one of --by-model, --by-file and --by"),
        (["--weights", "input"], "--weights input: give a name and a value"),
        (["--weights", "input=x"], "--weights input=x: must be a number; found 'x'"),
        (["--map", "a=b", "--map", "a=c"], "this name is given more than once"),
    ):
        done = tokenflow("import", "trace", "burst.csv", *words)
        assert done.exit_code == 2
        assert said in done.stderr
