"""``tokenflow import topology`` and ``pypsa`` hand their options on, write and say what they took."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from tests.cli.conftest import Invoke
from tests.importing.test_pypsa_prices import network
from tests.importing.test_topology_network import NODE_LINK
from tokenflow_sim.importing.pypsa_files import read_network, write_network


def test_a_topology_becomes_a_market(tokenflow: Invoke) -> None:
    Path("net.json").write_text(json.dumps(NODE_LINK))
    words = [
        "net.json",
        "--capacity-unit",
        "MB/s",
        "--latency",
        "7",
        "--both",
        "--map",
        "0=zero",
        "--out",
        "market",
    ]
    done = tokenflow("import", "topology", *words, "--scenario", "--name", "net")
    assert done.exit_code == 0, done.output
    arcs = pd.read_csv("market/arcs.csv")
    assert arcs["capacity"].tolist()[:2] == [5, 0.04]
    assert tokenflow("validate", "market").exit_code == 0
    assert "name a folder" in tokenflow("import", "topology", *words[:-1], "arcs.csv").stderr


def test_prices_come_and_loads_go(tokenflow: Invoke, run_file: Path) -> None:
    write_network(network(), Path("grid"))
    done = tokenflow("import", "pypsa", "grid")
    assert (done.exit_code, "was not solved" in done.stderr) == (2, True)
    done = tokenflow(
        "import", "pypsa", "grid", "--solve", "--map", "b/2=south", "--bus", "b/2", "--out", "made"
    )
    assert done.exit_code == 0, done.output
    assert list(pd.read_csv("made/prices.csv")) == ["period", "south"]
    done = tokenflow("import", "pypsa", "--load", run_file, "--out", "loads.nc")
    assert done.exit_code == 0, done.output
    assert read_network(Path("loads.nc")).loads_t.p_set.to_numpy().sum() > 0
    assert "exists already" in tokenflow("import", "pypsa", "--load", run_file, "--out", "loads.nc").stderr
    assert "--load needs --out" in tokenflow("import", "pypsa", "--load", run_file).stderr
    assert "name a network" in tokenflow("import", "pypsa").stderr
