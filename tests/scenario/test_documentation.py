"""The pages on scenarios say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from tokenflow_sim.scenario import Scenario, load_scenario, reference, write_template, yaml_text
from tokenflow_sim.scenario.demand import Demand, Noise, Region
from tokenflow_sim.scenario.fields import StrategySpec
from tokenflow_sim.scenario.network import Arc, Network, Owner, Tier1
from tokenflow_sim.scenario.schema import Electricity, MarketRules, Node, Workload
from tokenflow_sim.scenario.supply import Asset, Hardware, Outage, Provider

DOCS = Path(__file__).resolve().parents[2] / "docs"
PARTS: list[type[BaseModel]] = [
    *(
        Scenario,
        MarketRules,
        Demand,
        Noise,
        Workload,
        Node,
        Network,
        Tier1,
        Arc,
        Electricity,
        Hardware,
        Provider,
    ),
    *(Asset, Owner, Region, Outage, StrategySpec),
]


@pytest.mark.parametrize("part", PARTS)
def test_every_field_says_what_it_means(part: type[BaseModel]) -> None:
    for name, field in part.model_fields.items():
        assert field.description, f"{part.__name__}.{name}"
        assert field.description.endswith("."), f"{part.__name__}.{name}"


def test_the_reference_page_is_current_and_whole() -> None:
    page = (DOCS / "reference" / "scenarios.md").read_text(encoding="utf-8")
    assert page == reference.page(), (
        "run: python -m tokenflow_sim.scenario.reference > docs/reference/scenarios.md"
    )
    for part in PARTS:
        for name, field in part.model_fields.items():
            assert f"| `{field.alias or name}` |" in page


def test_the_paths_on_the_reference_page_work(tmp_path: Path) -> None:
    us5 = load_scenario("us5")
    us5.override({"nodes.dallas.power_mw": 1, "network.arcs.dallas->chicago.capacity": 1})
    small = load_scenario(write_template(tmp_path / "market"))
    small.override({"demand.hourly.chat[20]": 1, "providers.alpha.strategy.markup": 1})


def test_the_tables_of_the_how_to_page_make_a_scenario(tmp_path: Path) -> None:
    text = (DOCS / "how-to" / "own-scenario.md").read_text(encoding="utf-8")
    nodes, prices, demand, arcs = re.findall(r"^```csv\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    folder = write_template(tmp_path / "market").parent
    assert (folder / "nodes.csv").read_text() == nodes
    data = yaml_text.read((folder / "scenario.yaml").read_text()).data
    for block in re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        for section, content in yaml_text.read(block).data.items():
            if section == "providers":
                data["providers"]["alpha"] |= content["alpha"]
            else:
                data[section] = content
    data |= {"periods": 2, "outages": [], "regions": {}}
    (folder / "scenario.yaml").write_text(yaml_text.write(data))
    (folder / "nodes.csv").write_text(re.sub(r",0\.\d+,(?=[\d.]+,America)", ",,", nodes))
    (folder / "prices.csv").write_text(prices)
    (folder / "demand.csv").write_text(demand)
    (folder / "arcs.csv").write_text(arcs)
    (folder / "alpha.csv").write_text("node,hardware,share\ncoast,new,0.6\nplains,old,1\n")
    scenario = load_scenario(folder)
    assert scenario.compiled.state(1).electricity_price.tolist() == [0.091, 0.038, 0.064]
    assert scenario.compiled.state(1).demand[:, 0].tolist() == [0.29, 0, 0.2]
    assert scenario.compiled.latency.tolist() == [9.5, 9.5]
    assert scenario.providers["alpha"].strategy.parameters == {"markup": 0.1}
