"""What the schema cannot say: that names exist, sums add up, and nothing contradicts itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path

import numpy as np

from tokenflow_sim.errors import unknown_name
from tokenflow_sim.scenario.carbon_checks import find_carbon_faults
from tokenflow_sim.scenario.confusable import find_confusable
from tokenflow_sim.scenario.contract_rules import find_contract_faults
from tokenflow_sim.scenario.delay_rules import find_delay_faults
from tokenflow_sim.scenario.grid_checks import find_grid_faults
from tokenflow_sim.scenario.links import find_link_faults, make_links, table_places
from tokenflow_sim.scenario.mergers import find_merger_faults
from tokenflow_sim.scenario.outage_checks import find_arc_faults, find_outage_faults
from tokenflow_sim.scenario.places import Found, Loc, path_of
from tokenflow_sim.scenario.pricing_checks import find_pricing_faults
from tokenflow_sim.scenario.regions import homes_of
from tokenflow_sim.scenario.reserve_rules import find_reserve_faults, find_zone_reserve_faults
from tokenflow_sim.scenario.residency_rules import find_reach_faults, find_residency_faults
from tokenflow_sim.scenario.schema import ScenarioFields
from tokenflow_sim.scenario.security_rules import find_security_faults
from tokenflow_sim.scenario.series import NodeSeries
from tokenflow_sim.scenario.series_kinds import section_of, series_of, token_columns
from tokenflow_sim.scenario.size import find_size_faults
from tokenflow_sim.scenario.supply import Asset, nominal_power
from tokenflow_sim.scenario.zones import find_zone_faults

TOLERANCE = 1e-6
PLACEHOLDER = "nothing"
"""Name of the placeholder for a lost section; nothing is said about it."""


def assets_of(scenario: ScenarioFields) -> Iterator[tuple[Loc, str, Asset]]:
    """Yield place, provider and content of every asset, in the order of the file."""
    for name, provider in scenario.providers.items():
        for number, asset in enumerate(provider.assets):
            yield ("providers", name, "assets", number), name, asset


def asset_label(provider: str, asset: Asset) -> str:
    """Return the label of an asset."""
    return asset.name or f"{provider}/{asset.node}/{asset.hardware}"


def check(scenario: ScenarioFields, also: Mapping[str, Set[str]], dropped: Set[str]) -> list[Found]:
    """Find every fault that needs more than one entry to see.

    Parameters
    ----------
    scenario : ScenarioFields
        What the schema accepts, perhaps without entries that it refused.
    also : mapping
        Names that exist though their entries were refused, by section.
    dropped : set of str
        Dotted paths of tables that could not be read at all: nothing is said about names in them.
    """
    return _Checks(scenario, also, dropped).run()


class _Checks:
    def __init__(self, scenario: ScenarioFields, also: Mapping[str, Set[str]], dropped: Set[str]) -> None:
        self.scenario = scenario
        self.also = also
        self.dropped = dropped
        self.found: list[Found] = []
        self.options: dict[str, dict[str, None]] = {}

    def run(self) -> list[Found]:
        for part in (
            self.names,
            self.letters,
            self.hardware,
            self.power,
            self.demand,
            self.series,
            self.prices,
            self.carbon,
            self.tokens,
            self.owners,
            self.outages,
            self.residency,
            self.mergers,
        ):
            part()
        self.found += find_pricing_faults(self.scenario)
        self.found += find_grid_faults(self.scenario, self.known_names, self.also, self.dropped)
        # Only sound names can be turned into arcs.
        unsound = {str(loc[0]) for loc, _ in self.found} | {path.split(".")[0] for path in self.dropped}
        unsound |= {"network" if section == "arcs" else section for section in self.also}
        if not unsound & {"network", "nodes", "owners", "workloads"}:
            too_many = find_size_faults(self.scenario)
            self.found += too_many
            if not too_many:
                self.links()
        if not unsound & {"nodes", "zones", "workloads", "hardware", "providers"}:
            self.found += find_reserve_faults(self.scenario)
        return self.found

    def links(self) -> None:
        """Check that arcs have an owner and, where it matters, a latency; and that outages hit arcs that exist."""
        links = make_links(self.scenario)
        self.found += find_link_faults(self.scenario, links)
        if not {"zones", "residency", "providers", "hardware"} & {str(loc[0]) for loc, _ in self.found}:
            self.found += find_reach_faults(self.scenario, links)
            self.found += find_zone_reserve_faults(self.scenario, links)
        self.found += find_arc_faults(self.scenario, links.labels)
        assets = [asset_label(provider, asset) for _, provider, asset in assets_of(self.scenario)]
        if "power" not in self.also:
            self.found += find_security_faults(self.scenario, assets, links.labels)

    def note(self, loc: Loc, message: str) -> None:
        self.found.append((loc, message))

    def known_names(self, section: str) -> dict[str, None]:
        if section not in self.options:
            present = section_of(self.scenario, section)
            more = sorted(self.also.get(section, set()) - {"", *present})
            self.options[section] = dict.fromkeys([*present, *more])
        return self.options[section]

    def refer(self, loc: Loc, section: str, names: Iterable[str], where: str = "") -> bool:
        """Check that names, of a file if `where` says so, exist in a section; return whether they all do."""
        if section in self.dropped:
            return False
        options = self.known_names(section)
        wrong = [name for name in names if name not in options and name != PLACEHOLDER]
        what = {"hardware": "hardware", "buses": "bus"}.get(section, section[:-1])
        for name in wrong:
            text = unknown_name(what, name, list(options))
            self.note(loc, where + text.replace("known hardwares", "known hardware"))
        return not wrong

    def sound(self, section: str) -> bool:
        """Whether every entry of a section was accepted."""
        return section not in self.dropped and not self.also.get(section)

    def names(self) -> None:
        """Check references by name, wherever they stand."""
        scenario = self.scenario
        for loc, _, asset in assets_of(scenario):
            self.refer((*loc, "node"), "nodes", [asset.node])
            self.refer((*loc, "hardware"), "hardware", [asset.hardware])
        for loc, _, arc in table_places(scenario):
            self.refer((*loc, "origin"), "nodes", [arc.origin])
            self.refer((*loc, "destination"), "nodes", [arc.destination])
            if arc.owner is not None:
                self.refer((*loc, "owner"), "owners", [arc.owner])
            if arc.origin == arc.destination:
                self.note(loc, f"leads from {arc.origin} to itself")
        for name, owner in scenario.owners.items():
            if not isinstance(owner.owns, str):
                self.refer(("owners", name, "owns"), "nodes", owner.owns)
        for name, region in scenario.regions.items():
            self.refer(("regions", name, "nodes"), "nodes", region.nodes)
        demand, electricity = scenario.demand, scenario.electricity
        self.refer(("demand", "hourly"), "workloads", demand.hourly)
        self.refer(("demand", "weekly"), "workloads", demand.weekly)
        self.refer(("network", "route_cost"), "workloads", scenario.network.route_cost)
        self.refer(("electricity", "hourly"), "nodes", electricity.hourly)
        if demand.noise is not None:
            self.refer(("demand", "noise", "volatility"), "workloads", demand.noise.volatility)

    def letters(self) -> None:
        """Check that no two names look the same."""
        for section in ("nodes", "workloads", "hardware", "providers", "owners", "regions"):
            for one, other, letters in find_confusable(getattr(self.scenario, section)):
                message = f"looks like {other!r}, and is spelt otherwise ({letters}); write both alike, or rename one"
                self.note((section, one), message)

    def hardware(self) -> None:
        """Check that hardware has an energy for every class that it serves."""
        for name, item in self.scenario.hardware.items():
            one = item.accelerator
            for place, values in (
                (("throughput",), item.throughput),
                (("accelerator", "throughput"), {} if one is None else one.throughput),
                (("energy",), item.energy),
            ):
                self.refer(("hardware", name, *place), "workloads", values)
            for workload, rate in item.throughput.items():
                if rate > 0 and workload not in item.energy:
                    self.note(
                        ("hardware", name, "energy"), f"lacks {workload}, which it has a throughput for"
                    )

    def power(self) -> None:
        """Check that assets have power, given once, and unique labels, and that no site gives more than it has."""
        by_node: dict[str, list[tuple[Loc, Asset]]] = {}
        labels: Counter[str] = Counter()
        whole = "power" not in self.also and self.sound("nodes")
        for loc, provider, asset in assets_of(self.scenario):
            label = asset_label(provider, asset)
            if PLACEHOLDER in (asset.node, asset.hardware):
                continue  # what was there is unknown, and so are its label and its site
            labels[label] += 1
            if labels[label] == 2:
                self.note(loc, f"repeats asset {label!r}; join the two, or give each a `name`")
            given = [
                field for field in ("power_mw", "accelerators", "share") if getattr(asset, field) is not None
            ]
            hardware = self.scenario.hardware.get(asset.hardware)
            if not given:
                message = "has no power: give `power_mw`, `accelerators`, or a `share` of the node's power"
                whole = False
                if path_of(loc[:3]) not in self.dropped:
                    self.note(loc, message)
            elif len(given) > 1:
                self.note(loc, f"has both {' and '.join(given)}; give one of them")
                whole = False
            elif asset.accelerators is not None and hardware is not None and hardware.accelerator is None:
                message = f"need a hardware that says what one draws; {asset.hardware} has no `accelerator`"
                self.note((*loc, "accelerators"), message)
                whole = False
            by_node.setdefault(asset.node, []).append((loc, asset))
        for name, items in by_node.items():
            if whole and name in self.scenario.nodes:
                self.site(name, items)

    def site(self, name: str, items: list[tuple[Loc, Asset]]) -> None:
        scenario = self.scenario
        power, series = scenario.nodes[name].power_mw, scenario.power.series
        shares = [(loc, asset.share) for loc, asset in items if asset.share is not None]
        place: Loc = ("nodes", name, "power_mw")
        if series is not None and name in series.names:
            if power is not None:
                self.note(place, "is given here and in power.series; leave one of them out")
            for loc, asset in items:
                if asset.share is None:
                    self.note(loc, f"needs a share: {name} has its power by period in power.series")
            power = None if len(shares) < len(items) else 1.0
            if power is None:
                return
        if power is None:
            if "power.series" in self.dropped:
                return
            for loc, _ in shares:
                self.note((*loc, "share"), f"is a share of the power of {name}, which has no power_mw")
            return
        total = sum(share for _, share in shares)
        named = ", ".join(f"{loc[1]} {share:g}" for loc, share in shares)
        if len(shares) == len(items):
            if abs(total - 1) > TOLERANCE:
                self.note(place, f"the shares of its assets add up to {total:.9g}, not to 1 ({named})")
            return
        drawn = sum(nominal_power(asset, scenario.hardware.get(asset.hardware), power) for _, asset in items)
        if drawn > power * (1 + TOLERANCE):
            self.note(place, f"its assets add up to {drawn:.9g} MW, more than its {power:g} MW")

    def demand(self) -> None:
        """Check that nodes with demand are in one region, and that service that may be lost has a value."""
        scenario, series = self.scenario, self.scenario.demand.series
        asks = (
            {name for name, node in scenario.nodes.items() if node.demand_weight > 0}
            if series is None
            else {
                name
                for number, name in enumerate(series.nodes)
                if np.nan_to_num(series.values[:, number]).any()
            }
        )
        homes: dict[str, str] = {}
        for name, region in scenario.regions.items():
            for node in region.nodes:
                place: Loc = ("regions", name, "nodes")
                if node in homes:
                    self.note(place, f"node {node!r} is in region {homes[node]!r} already")
                homes.setdefault(node, name)
                if (
                    node in scenario.nodes
                    and node not in asks
                    and {"nodes", "demand.series"}.isdisjoint(self.dropped)
                ):
                    self.note(place, f"node {node!r} has no demand (its demand_weight is 0)")
        if scenario.regions and self.sound("regions"):
            for node in sorted(asks - set(homes)):
                self.note(("nodes", node, "demand_weight"), "has demand, but is in no region")
        if not scenario.rules.must_serve:
            for name, workload in scenario.workloads.items():
                if workload.value is None:
                    message = "is needed where demand need not be served (market.must_serve is false)"
                    self.note(("workloads", name, "value"), message)

    def series(self) -> None:
        """Check that series name what exists, have a number for every period of the run, and none that cannot be."""
        scenario = self.scenario
        for loc, kind, series in series_of(scenario):
            weighed = token_columns(scenario) if loc == ("demand", "series") else {}
            file = Path(series.source).name
            where = f"{file}: " if file else ""
            self.refer(loc, kind.columns, [name for name in series.names if name not in weighed], where)
            if isinstance(series, NodeSeries):
                self.refer(loc, "nodes", series.nodes, where)
            if not kind.family.signed and (series.values < 0).any():
                self.note(loc, f"holds negative numbers; {kind.family.what} is not negative")
            for message in series.faults(scenario.start, scenario.hours, scenario.periods):
                self.note(loc, f"{file} {message}" if file else message)

    def prices(self) -> None:
        """Check that every site of an asset has one electricity price."""
        scenario = self.scenario
        series = scenario.electricity.series
        listed = set() if series is None else set(series.names)
        # Of a series or a table with faults nobody knows which prices it would have given.
        is_known = {"electricity.series", "nodes", "grid"}.isdisjoint(self.dropped) and not any(
            loc[:2] == ("electricity", "series") for loc, _ in self.found
        )
        is_known &= scenario.grid is None or scenario.grid.needs_prices
        for name in dict.fromkeys(asset.node for _, _, asset in assets_of(scenario)):
            node = scenario.nodes.get(name)
            if is_known and node is not None and node.electricity_price is None and name not in listed:
                self.note(("nodes", name, "electricity_price"), "is needed, since assets stand there")
        for name in listed:
            node = scenario.nodes.get(name)
            if node is not None and node.electricity_price is not None:
                message = "is given here and in electricity.series; leave one of them out"
                self.note(("nodes", name, "electricity_price"), message)
            if name in scenario.electricity.hourly:
                message = (
                    f"node {name!r} has prices by period in electricity.series; leave its hours out here"
                )
                self.note(("electricity", "hourly"), message)

    def carbon(self) -> None:
        """Check that carbon intensities are known where they are needed, and that caps and a budget mean something."""
        sites = list(dict.fromkeys(asset.node for _, _, asset in assets_of(self.scenario)))
        known = () if "nodes" in self.dropped else self.known_names("nodes")
        self.found += find_carbon_faults(self.scenario, sites, known, self.dropped)

    def tokens(self) -> None:
        """Check that demand in input and output tokens comes with what each of them counts."""
        for name, workload in self.scenario.workloads.items():
            if workload.base_tokens is not None and workload.tokens is None:
                self.note(("workloads", name, "tokens"), "is needed, since base_tokens are to be weighed")
            if workload.base_tokens is not None and workload.base_demand:
                self.note(("workloads", name), "has both base_demand and base_tokens; give one of them")

    def owners(self) -> None:
        """Check that no two owners claim the same, and that rules by distance have coordinates."""
        scenario, network = self.scenario, self.scenario.network
        first: dict[str, str] = {}
        for name, owner in scenario.owners.items():
            claims = [owner.owns] if isinstance(owner.owns, str) else [f"node {node}" for node in owner.owns]
            for claim in claims:
                if claim in first:
                    self.note(("owners", name, "owns"), f"{claim} is owned by {first[claim]!r} already")
                first.setdefault(claim, name)
        for name, node in scenario.nodes.items():
            ruled = network.max_distance is not None or (network.tier1 is not None and node.tier1)
            lacking = [f for f in ("latitude", "longitude") if getattr(node, f) is None]
            if "nodes" in self.dropped:
                continue
            if lacking and ruled:
                for field in lacking:
                    self.note(("nodes", name, field), "is needed, since arcs are made by distance")
            elif len(lacking) == 1:
                self.note(("nodes", name, lacking[0]), "is needed beside the other coordinate")

    def residency(self) -> None:
        """Check zones, the rules that name them, and delay."""
        nodes, workloads = list(self.known_names("nodes")), list(self.known_names("workloads"))
        if "nodes" not in self.dropped:
            self.found += find_zone_faults(self.scenario, nodes)
        whole = "power" not in self.also and self.sound("hardware")
        self.found += find_delay_faults(self.scenario, workloads)
        self.found += find_residency_faults(
            self.scenario, nodes, workloads, self.dropped, knows_servers=whole
        )

    def mergers(self) -> None:
        """Check that providers merge once, that contracts are of what exists, and caps on offers of classes."""
        scenario, agents = self.scenario, ("providers", "owners", "regions", "nodes", "demand.series")
        for name, merger in scenario.mergers.items():
            # Names of other mergers are explained in `find_merger_faults`.
            firms = {other for other in merger.members if other in scenario.mergers and other != name}
            self.refer(
                ("mergers", name, "members"), "providers", [one for one in merger.members if one not in firms]
            )
        self.found += find_merger_faults(scenario.mergers, scenario.providers, self.known_names("providers"))
        is_known = all(map(self.sound, agents)) and "providers" not in {
            path.split(".")[0] for path in self.dropped
        }
        regions = homes_of(scenario) if is_known else None
        self.found += find_contract_faults(scenario, regions, self.refer)
        if scenario.rules.mitigation is not None:
            for field, names in scenario.rules.mitigation.named_classes():
                self.refer(("market", "mitigation", field), "workloads", names)

    def outages(self) -> None:
        """Check that outages hit something, and end after they begin."""
        labels = {asset_label(provider, asset) for _, provider, asset in assets_of(self.scenario)}
        known = None if "power" in self.also else labels
        self.found += find_outage_faults(self.scenario, known, self.refer)
