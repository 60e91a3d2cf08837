"""Digests of the code that a run was played by, and modules that are edited while a session goes on."""

from __future__ import annotations

import hashlib
import importlib
import json
import linecache
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import tokenflow_sim as tf
from tests.strategies import samples
from tokenflow_sim.agents import ComputeProvider
from tokenflow_sim.strategies.code import compare, fingerprint
from tokenflow_sim.strategies.composed import Chain
from tokenflow_sim.strategies.loading import held, load
from tokenflow_sim.strategies.markups import MarginalCost
from tokenflow_sim.strategies.registry import find

SAMPLES = "tests.strategies.samples"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory of a user whose modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(folder: Path, k: int, helper: int = 1) -> None:
    (folder / "rules_x.py").write_text(f"H = {helper}\n")
    (folder / "mine_x.py").write_text(
        "import tokenflow_sim as tf\nfrom rules_x import H\n"
        f"K = {k}\nclass U(tf.Strategy):\n    '''x'''\n    def offer(self, view):\n"
        "        return tf.Offer(price=view.cost * K * H, quantity=view.capacity)\n"
    )


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def factor(model: tf.TokenMarket) -> float:
    model.step()
    offers = model.results()["offer_price"][-1]
    return float(offers.sel(asset="dallas", workload="chat")) / 0.072  # its true cost in $/Mtok


# What is digested


def test_built_in_code_needs_no_digest() -> None:
    assert (
        fingerprint(MarginalCost(), Chain(["churn"]), {"a": [MarginalCost]}, partial(ComputeProvider)) == {}
    )
    assert "code" not in tf.TokenMarket("us5", periods=1).ledger.plan.attrs


def test_a_module_of_ones_own_is_digested_with_what_it_imports_beside_it(folder: Path) -> None:
    write(folder, 2)
    found = fingerprint(find("provider", "mine_x:U", allow_code=True))
    assert found == {"mine_x": sha(folder / "mine_x.py"), "rules_x": sha(folder / "rules_x.py")}


def own_rule(x: float) -> float:
    return 2 * x


@pytest.mark.parametrize(
    "thing",
    [
        samples.Learner,
        samples.Learner(),
        {"a": [(samples.Elastic(),)]},
        Chain([samples.Elastic()]),
        partial(ComputeProvider, 1, rule=samples.Learner),
        type("Derived", (samples.Learner,), {"__module__": "tokenflow_sim.derived"}),
    ],
)
def test_own_code_is_found_wherever_it_stands(thing: object) -> None:
    assert fingerprint(thing) == {SAMPLES: sha(Path(str(samples.__file__)))}


def test_a_function_in_an_attribute_is_code_too() -> None:
    strategy = MarginalCost()
    strategy.rule = own_rule  # type: ignore[attr-defined]
    found = fingerprint(strategy)
    assert (found[__name__], found[SAMPLES]) == (sha(Path(__file__)), sha(Path(str(samples.__file__))))


def cell(text: str, number: int, names: dict[str, Any]) -> dict[str, Any]:
    """Run text as a notebook does: in __main__, without a file, its lines known to `linecache`."""
    name = f"/tmp/ipykernel_1/{number}.py"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    exec(compile(text, name, "exec"), names)
    return names


CELL = "class U(tf.Strategy):\n    step = 1\n    def offer(self, view):\n        return half(view.cost) * K\n"


def test_a_class_of_a_notebook_stands_with_the_functions_and_constants_that_it_names() -> None:
    def made(number: int, text: str = CELL, k: int = 2, half: str = "x / 2") -> dict[str, str]:
        names = {"tf": tf, "__name__": "__main__", "K": k}
        cell(f"def half(x):\n    return {half}\n", 100 * number, names)
        return fingerprint(cell(text, number, names)["U"])

    same = made(1)
    assert list(same) == ["__main__:U"]
    assert made(2) == same
    others = [made(3, k=3), made(4, half="x / 3"), made(5, CELL.replace("step = 1", "step = 2")),
              made(6, CELL.replace("* K", "/ K"))]  # fmt: skip
    assert len({json.dumps(found) for found in [same, *others]}) == 5


def test_code_whose_source_cannot_be_had_is_unknown_and_said_to_be() -> None:
    names: dict[str, Any] = {"tf": tf, "__name__": "__main__"}
    exec("class U(tf.Strategy):\n    def offer(self, view): ...\n", names)
    found = fingerprint(names["U"])
    assert found == {"__main__:U": "unknown"}
    with pytest.warns(
        UserWarning, match=r"run: the source of __main__:U cannot be had, so that nobody can tell"
    ):
        assert compare(json.dumps(found), found, "run") == ""


def test_what_differs_is_named_with_both_digests() -> None:
    then, now = (
        {"a": "0123456789", "b": "unknown", "c": "1" * 64},
        {"a": "9876543210", "b": "2" * 64, "d": "4" * 64},
    )
    assert compare(then, now, "run") == (
        "modules a (was 01234567, is 98765432), b (was unknown, is 22222222), c (was 11111111, is not there),"
        " d (was not there, is 44444444)"
    )
    assert compare(None, "{}", "run") == compare(now, json.dumps(now), "run") == ""


# Modules that are edited


def market(**changes: Any) -> tf.TokenMarket:
    given = {"scenario": "us5", "rng": 1, "periods": 3, "allow_code": True}
    return tf.TokenMarket(**given | {"strategies": {"dallas_dc": "mine_x:U"}} | changes)


def test_an_edited_module_is_loaded_anew_and_models_of_the_old_one_keep_their_code(folder: Path) -> None:
    write(folder, 2)
    old = market()
    assert factor(old) == pytest.approx(2)
    write(folder, 3)  # within the same second, of the same size: neither clock nor bytecode tells
    new = market()
    assert (factor(new), factor(old)) == pytest.approx((3, 2))
    write(folder, 3, helper=2)
    assert (factor(market()), factor(new), factor(old)) == pytest.approx((6, 3, 2))
    codes = [json.loads(model.ledger.plan.attrs["code"]) for model in (old, new)]
    assert codes[0]["mine_x"] != codes[1]["mine_x"] == sha(folder / "mine_x.py")
    assert market().ledger.plan.attrs["code"] == market().ledger.plan.attrs["code"]


def test_a_class_of_an_edited_module_is_what_was_loaded_not_what_the_file_says(folder: Path) -> None:
    write(folder, 2)
    cls = importlib.import_module("mine_x").U
    write(folder, 3)
    assert fingerprint(cls) == {"mine_x": "unknown"}, "K is another one"
    assert factor(market(strategies={"dallas_dc": cls})) == pytest.approx(2)
    assert factor(market()) == pytest.approx(3), "named, it is what the file says"
    assert fingerprint(cls) == {"mine_x": "unknown"}


def test_a_module_that_the_user_imported_is_kept_while_it_is_what_its_file_says(folder: Path) -> None:
    write(folder, 2)
    module = importlib.import_module("mine_x")
    assert find("provider", "mine_x:U", allow_code=True) is module.U
    assert fingerprint(module.U)["mine_x"] == sha(folder / "mine_x.py")
    assert load("mine_x") is module


def test_a_module_of_a_package_is_loaded_anew_in_its_place(folder: Path) -> None:
    (folder / "pack_x").mkdir()
    (folder / "pack_x" / "__init__.py").write_text("")
    (folder / "pack_x" / "part.py").write_text("from . import other\nX = 1\n")
    (folder / "pack_x" / "other.py").write_text("Y = 1\n")
    old = load("pack_x.part")
    (folder / "pack_x" / "other.py").write_text("Y = 2\n")
    new = load("pack_x.part")
    assert (old.other.Y, new.other.Y) == (1, 2)
    assert sys.modules["pack_x"].part is new
    assert sys.modules["pack_x.part"] is new


@pytest.mark.parametrize("broken", ["K = ", "import no_such_module_x", "1 / 0"])
def test_a_module_that_no_longer_loads_leaves_the_old_one(folder: Path, broken: str) -> None:
    write(folder, 2)
    old = load("mine_x")
    (folder / "mine_x.py").write_text(broken)
    with pytest.raises((SyntaxError, ImportError, ZeroDivisionError)):
        load("mine_x")
    assert sys.modules["mine_x"] is old
    write(folder, 5)
    assert load("mine_x").K == 5


def test_while_a_study_is_played_its_code_stays(folder: Path) -> None:
    write(folder, 2)
    old = load("mine_x")
    with held():
        write(folder, 3)
        assert load("mine_x") is old
    assert load("mine_x").K == 3


def test_modules_without_a_file_are_imported_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    made = ModuleType("made_x")
    monkeypatch.setitem(sys.modules, "made_x", made)
    assert load("made_x") is made
    assert load("math") is sys.modules["math"]
    with pytest.raises(ModuleNotFoundError):
        load("no_such_module_x")


def test_threads_load_one_module_once(folder: Path) -> None:
    write(folder, 2)
    found: list[ModuleType] = []
    threads = [threading.Thread(target=lambda: found.append(load("mine_x"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(map(id, found))) == 1


def test_results_of_other_code_are_made_again_with_a_warning(folder: Path) -> None:
    write(folder, 2)
    model = market()
    model.step()
    results = model.results()
    assert factor(tf.TokenMarket.from_results(results, allow_code=True)) == pytest.approx(2)
    write(folder, 3)
    with pytest.warns(
        UserWarning, match=r"made by other code: module mine_x \(was [0-9a-f]{8}, is [0-9a-f]{8}\)"
    ):
        tf.TokenMarket.from_results(results, allow_code=True)
