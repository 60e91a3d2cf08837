"""Hostile input: a small scenario that uses every table, what can be done to it, and what must come of it."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tokenflow_sim.errors import CertificateError, InputError, TokenflowError
from tokenflow_sim.model import TokenMarket
from tokenflow_sim.scenario import Scenario

SECONDS = 60
MOST_TOLD = 60_000  # characters of a message

FILES = {
    "scenario.yaml": """\
format: 1
name: prey
periods: 4
hours: 1.0
market: {bandwidth: physical, latency_rule: arc, must_serve: false, shared_power: true, opex_adder: 1.5}
demand:
  scale: 20.0
  hourly: hourly.csv
  noise: {volatility: {chat: 0.1, batch: 0.2}, persistence: 0.8}
workloads:
  chat: {base_demand: 50000, payload: 0.5, latency_limit: 100, value: 10}
  batch: {base_demand: 10000, payload: 10, value: 5}
nodes: nodes.csv
network:
  capacity: 1.25
  tariff: 0.01
  km_per_ms: 200
  hop_latency: 5
  arcs: arcs.csv
electricity: {series: prices.csv}
hardware:
  new: {throughput: {chat: 5000, batch: 1000}, energy: {chat: 1, batch: 10}, running_cost: 3}
  old: {throughput: {chat: 2000, batch: 500}, energy: {chat: 2, batch: 30}}
providers:
  atlas:
    strategy: {name: fixed_markup, markup: 0.1}
    assets: [{node: east, hardware: new, power_mw: 200}, {node: west, hardware: old, share: 1}]
  borea: {assets: [{node: east, hardware: old, power_mw: 90}]}
owners: {wire: {owns: rest}}
regions: {coast: {nodes: [east, west]}, inland: {nodes: [middle]}}
outages: [{provider: atlas, node: east, first: 1, last: 2}, {arc: east->west, first: 2, last: 2, available: 0.5}]
""",
    "nodes.csv": """\
node,latitude,longitude,power_mw,electricity_price,demand_weight
east,39.0,-77.5,400,,1.0
west,37.4,-122.1,300,,1.5
middle,41.9,-87.6,,0.08,0.8
""",
    "arcs.csv": """\
origin,destination,capacity,latency
east,west,2.5,25
west,east,2.5,25
east,middle,1.0,9
middle,east,1.0,9
west,middle,0.5,18
""",
    "prices.csv": "period,east,west\n" + "".join(f"{t},0.0{5 + t},0.1{t}\n" for t in range(4)),
    "hourly.csv": "hour,chat,batch\n" + "".join(f"{h},{1 + h / 10:.1f},1.0\n" for h in range(24)),
}

VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 3.5, -0.0, 1e-308, 5e-324, 1e12, 1e308, 10**30, -(10**30), float("nan"),
    float("inf"), float("-inf"), "", " ", "x", "1", "1,5", "1e3", "0x10", "1_000", "null", "nan", "١٢", "½",
    "east", "chat", "atlas", "east->west", "os:system", "posixpath:join", "__init__", "../nodes.csv", "/etc/passwd",
    "nodes.csv", ".", "\x00", "\u202eabc", "é\u0301", "🜲" * 40, "a" * 5000, "<script>alert(1)</script>", "[bold]x",
    "{{ 7*7 }}", "%s%n", "=1+1", [], {}, [[]], [1, 2], [None], {"name": "x"}, {"": 1}, {"a": {"b": {"c": 1}}},
    {"name": "os:system"}, [{"node": "east", "hardware": "new", "power_mw": 1}], "2026-13-45", "1.5.2",
)  # fmt: skip
WORDS: tuple[str, ...] = (
    "nan", ".inf", "-5", "1,5", "1e999", "", " ", "\t", ",", ";", ":", "- ", "&a ", "*a", "!!python/object:os.system ",
    "<<: ", "{", "}", "[", "]", '"', "'", "#", "|\n", "---\n", "...\n", "%YAML 9.9\n", "\n", "\r\n", "\r", "\ufeff",
    "\x00", "\u2028", "\ud7ff", "é", "日本", "null", "true", "~", "? ", "../", "east", "9" * 400, "period", "node",
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, text: str) -> bytes:
    """Damage a text as editors, spreadsheets, transfers and attackers do."""
    for _ in range(draw(st.integers(1, 3))):
        spot = draw(st.integers(0, len(text)))
        end = min(len(text), spot + draw(st.integers(0, 40)))
        how = draw(st.sampled_from(("word", "cut", "double", "token", "line", "swap", "tail")))
        if how == "word":
            text = text[:spot] + draw(st.sampled_from(WORDS)) + text[spot:]
        elif how == "cut":
            text = text[:spot] + text[end:]
        elif how == "double":
            text = text[:end] + text[spot:end] + text[end:]
        elif how == "token":
            text = text[:spot] + draw(st.sampled_from(WORDS)) + text[end:]
        elif how == "tail":
            text = text[:spot]
        else:
            lines = text.splitlines(keepends=True) or [""]
            one, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
            if how == "swap":
                lines[one], lines[other] = lines[other], lines[one]
            else:
                lines.insert(one, lines[other])
            text = "".join(lines)
    finish = draw(st.sampled_from(("utf-8",) * 6 + ("bom", "crlf", "utf-16", "latin-1", "bytes")))
    if finish == "bom":
        return b"\xef\xbb\xbf" + text.encode("utf-8", "replace")
    if finish == "crlf":
        return text.replace("\n", "\r\n").encode("utf-8", "replace")
    if finish == "bytes":
        return draw(st.binary(max_size=200))
    return text.encode(finish, "replace")


@contextmanager
def folder_of(files: dict[str, bytes | None]) -> Iterator[Path]:
    """Write the scenario's files, some of them exchanged or (None) left out; see that nothing else appears."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "prey")
        folder.mkdir()
        for file, text in FILES.items():
            content = files.get(file, text.encode())
            if content is not None:
                (folder / file).write_bytes(content)
        before = sorted(folder.parent.rglob("*"))
        yield folder
        assert sorted(folder.parent.rglob("*")) == before, "files appeared"


@contextmanager
def bounded() -> Iterator[None]:
    """End a case that hangs."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise AssertionError(f"no answer within {SECONDS} s")

    former = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)


def answer[T](call: Callable[[], T]) -> T | None:
    """Return what a call gives, or None where it ends in one clear error of ours; anything else passes through."""
    with bounded():
        try:
            return call()
        except CertificateError:
            raise  # an input that was accepted must be cleared
        except TokenflowError as error:
            caught = error
    told = str(caught)
    assert told.strip(), "an error without a word"
    assert len(told) < MOST_TOLD, f"{len(told)} characters of error"
    for trace in ("Traceback", "site-packages", " at 0x"):
        assert trace not in told, told
    assert not isinstance(caught, InputError) or caught.faults
    return None


_kept: dict[str, Any] = {}
"""The last Clearer: building one takes longer than a case, and results do not depend on its past."""


def play(scenario: Scenario) -> None:
    """Run two periods of what was accepted, and hold the numbers to what every run must keep."""
    model = TokenMarket(scenario, rng=1, periods=min(2, scenario.periods), clearer=_kept.get("clearer"))
    model.run()
    _kept["clearer"] = model.clearing_house.clearer
    results = model.results()
    assert float(results.certificate.max()) < 1e-7
    for name, values in results.data_vars.items():
        assert np.isfinite(values).all() or name in {"value", "offer_quantity"}, name
    paid = float(results.payment.sum())
    earned = float(results.revenue.sum() + results.link_income.sum())
    # What is served is what was demanded less what was not: no closer than the rounding of the demand itself.
    rounding = 3600 * scenario.hours * float((results.price * results.demand).sum()) * np.finfo(float).eps
    assert abs(paid - earned) <= 1e-9 * max(1.0, abs(paid), abs(earned)) + rounding
    assert Scenario.from_yaml(results.attrs["scenario"]) == model.settings
