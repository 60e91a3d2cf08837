"""The import rules of the architecture, read off the syntax tree of every module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = "tokenflow_sim"
ROOT = Path(__file__).resolve().parents[1] / PACKAGE

# Arrows point one way: a room may import itself and rooms of a lower floor. The package's own `__init__`
# gathers the public names, so that only what stands above it may use it.
FLOORS: tuple[frozenset[str], ...] = (
    frozenset({"errors", "numerals", "numeric", "variable"}),
    frozenset({"variables"}),
    frozenset({"disk", "pickling"}),
    frozenset({"market"}),
    frozenset({"scenario"}),
    frozenset({"strategies"}),
    frozenset({"agents", "results"}),
    frozenset({"model"}),
    frozenset({"batch"}),
    frozenset({"importing", "study", "testing"}),
    frozenset({"games"}),
    frozenset({"plot"}),
    frozenset({"env"}),
    frozenset({"learning"}),
    frozenset({"report"}),
    frozenset({""}),
    frozenset({"app"}),
    frozenset({"cli"}),
    frozenset({"__main__"}),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
LONGEST = 400  # lines, as CONTRIBUTING.md has it
MESA = {"mesa", "mesa_geo", "mesa_llm"}
# What the group `training` installs, by the names it is imported by: some 3 GB that tests must not need to be found.
TRAINING = {"torch", "stable_baselines3", "onnx", "onnxscript", "tensorboard"}
MESA_ROOMS = {"agents", "model", "batch", "env", "study", "app"}


@dataclass(frozen=True)
class Import:
    """One imported module, with the line that does it."""

    module: str
    line: int


def room_of(module: str) -> str:
    """Return the room of a module of the package: ``market`` of ``tokenflow_sim.market.layout``."""
    return module.removeprefix(PACKAGE).lstrip(".").split(".")[0]


def module_of(path: Path, root: Path) -> str:
    """Return the dotted name of a file of the package."""
    parts = (PACKAGE, *path.relative_to(root).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def names_module(module: str, root: Path) -> bool:
    """Say whether a dotted name of the package is a module rather than something inside of one."""
    place = root.joinpath(*module.split(".")[1:])
    return place.with_suffix(".py").is_file() or place.is_dir()


def imports_of(path: Path, root: Path) -> Iterator[Import]:
    """Find every import of a file, those inside functions and under TYPE_CHECKING among them."""
    module = module_of(path, root)
    package = module if path.stem == "__init__" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *filter(None, [base])])
            for alias in node.names:
                full = f"{base}.{alias.name}"
                inside = base.split(".")[0] == PACKAGE and names_module(full, root)
                yield Import(full if inside else base, node.lineno)


def broken_rules(root: Path) -> list[str]:
    """Tell every import in the package that breaks a rule."""
    broken = []
    for path in sorted(root.rglob("*.py")):
        room = room_of(module_of(path, root))
        if room not in FLOOR:
            broken.append(f"{path.name}: the room {room!r} has no floor in this test; give it one")
            continue
        mesa_allowed = room in MESA_ROOMS or path.stem == "app"
        for found in imports_of(path, root):
            place = f"{path.relative_to(root.parent)}:{found.line}"
            top = found.module.split(".")[0]
            if top in MESA and not mesa_allowed:
                broken.append(f"{place}: {room!r} imports {found.module}")
            if top != PACKAGE:
                continue
            target = room_of(found.module)
            if target not in FLOOR:
                broken.append(f"{place}: imports {found.module}, which has no floor in this test")
            elif target != room and FLOOR[target] >= FLOOR[room]:
                broken.append(f"{place}: {room!r} imports {found.module}")
    return broken


def circles(root: Path) -> list[list[str]]:
    """Find the modules that import each other, by whatever way, counting imports for types and inside functions."""
    files = {module_of(path, root): path for path in root.rglob("*.py")}
    arrows = {
        module: {found.module for found in imports_of(path, root)} & files.keys() - {module}
        for module, path in files.items()
    }
    reach: dict[str, set[str]] = {}
    for module in files:
        reached, waiting = set[str](), [module]
        while waiting:
            for other in arrows[waiting.pop()] - reached:
                reached.add(other)
                waiting.append(other)
        reach[module] = reached
    found = {
        tuple(sorted({module} | {other for other in reached if module in reach[other]}))
        for module, reached in reach.items()
        if module in reached
    }
    return [list(circle) for circle in sorted(found)]


def on_loading(path: Path) -> Iterator[str]:
    """Find what a file imports as it is loaded: not inside functions, and not for types alone."""
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"), str(path))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting.extend(node.orelse)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


def need_training(root: Path, *, tests: str = "tests", package: str = PACKAGE) -> list[str]:
    """Name the files of tests that cannot be loaded where the group `training` is not installed."""
    needs: dict[str, str] = {}
    files = {
        ".".join(path.relative_to(root).with_suffix("").parts): path
        for folder in (package, tests)
        for path in sorted((root / folder).rglob("*.py"))
    }
    loads = {module: sorted(on_loading(path)) for module, path in files.items()}
    while True:
        more = {
            module: name
            for module, names in loads.items()
            for name in names
            if module not in needs
            and (name.split(".")[0] in TRAINING or name in needs or name.rpartition(".")[0] in needs)
        }
        if not more:
            return [f"{m}: {needs[m]}" for m in sorted(needs) if m.split(".")[0] == tests]
        needs |= more


def too_long(root: Path) -> list[str]:
    """Name every module that is longer than a reader keeps in mind."""
    lengths = {
        path: len(path.read_text(encoding="utf-8").splitlines()) for path in sorted(root.rglob("*.py"))
    }
    return [
        f"{path.relative_to(root.parent)}: {length}" for path, length in lengths.items() if length > LONGEST
    ]


def test_no_module_is_too_long() -> None:
    assert too_long(ROOT) == []


def test_a_module_that_is_too_long_is_named(tmp_path: Path) -> None:
    root = tmp_path / PACKAGE
    root.mkdir()
    (root / "long.py").write_text("pass\n" * (LONGEST + 1))
    (root / "short.py").write_text("pass\n" * LONGEST)
    assert too_long(root) == [f"{PACKAGE}/long.py: {LONGEST + 1}"]


def test_no_modules_import_each_other() -> None:
    assert circles(ROOT) == []


def test_a_circle_is_found_whatever_ties_it(tmp_path: Path) -> None:
    root = tmp_path / PACKAGE
    (root / "market").mkdir(parents=True)
    (root / "market" / "__init__.py").touch()
    (root / "market" / "a.py").write_text("from tokenflow_sim.market import b")
    (root / "market" / "b.py").write_text("def f():\n    from tokenflow_sim.market.c import g")
    (root / "market" / "c.py").write_text("if TYPE_CHECKING:\n    from .a import A")
    (root / "market" / "d.py").write_text("from tokenflow_sim.market.a import A")
    assert circles(root) == [[f"{PACKAGE}.market.{name}" for name in "abc"]]


def test_every_import_points_down_and_only_the_model_side_knows_mesa() -> None:
    assert broken_rules(ROOT) == []


def test_tests_are_found_where_nothing_can_be_trained() -> None:
    assert need_training(ROOT.parent) == []


def test_a_test_that_needs_training_to_be_found_is_named(tmp_path: Path) -> None:
    for folder in (PACKAGE, "tests"):
        (tmp_path / folder).mkdir()
    (tmp_path / PACKAGE / "late.py").write_text("def f():\n    import torch")
    (tmp_path / PACKAGE / "early.py").write_text("from torch import nn")
    (tmp_path / "tests" / "a.py").write_text(
        f"from {PACKAGE}.late import f\nif TYPE_CHECKING:\n    import torch"
    )
    (tmp_path / "tests" / "b.py").write_text(f"from {PACKAGE}.early import nn")
    (tmp_path / "tests" / "c.py").write_text("from tests import b")
    (tmp_path / "tests" / "d.py").write_text("try:\n    import onnx.checker\nexcept ImportError:\n    pass")
    assert [told.split(":")[0] for told in need_training(tmp_path)] == ["tests.b", "tests.c", "tests.d"]


def test_the_rooms_that_the_rules_name_exist() -> None:
    assert {"market", "scenario", "strategies", "agents", "study", "plot"} <= {
        path.name for path in ROOT.iterdir() if path.is_dir()
    }


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("market/a.py", "import mesa", "'market' imports mesa"),
        ("market/a.py", "from mesa.agent import Agent", "'market' imports mesa.agent"),
        ("market/a.py", "from tokenflow_sim.scenario import load", "'market' imports tokenflow_sim.scenario"),
        ("market/a.py", "from ..scenario.load import f", "'market' imports tokenflow_sim.scenario.load"),
        ("market/deep/a.py", "from ...model import f", "'market' imports tokenflow_sim.model"),
        ("market/__init__.py", "from .. import scenario", "'market' imports tokenflow_sim.scenario"),
        ("market/a.py", "from tokenflow_sim import clear", "'market' imports tokenflow_sim"),
        ("market/a.py", "def f():\n    import tokenflow_sim.study", "'market' imports tokenflow_sim.study"),
        ("scenario/a.py", "import tokenflow_sim.strategies", "'scenario' imports tokenflow_sim.strategies"),
        ("strategies/a.py", "import mesa", "'strategies' imports mesa"),
        ("agents/a.py", "from tokenflow_sim import results", "'agents' imports tokenflow_sim.results"),
        ("study/a.py", "from tokenflow_sim.plot import prices", "'study' imports tokenflow_sim.plot"),
        ("plot/a.py", "import mesa.visualization", "'plot' imports mesa.visualization"),
        ("attic/a.py", "import numpy", "no floor"),
    ],
)
def test_a_broken_rule_is_told(tmp_path: Path, file: str, text: str, told: str) -> None:
    root = tmp_path / PACKAGE
    for room in ("scenario", "study", "results"):
        (root / room).mkdir(parents=True)
    bad = root / file
    bad.parent.mkdir(parents=True, exist_ok=True)
    bad.write_text(text)
    broken = broken_rules(root)
    assert len(broken) == 1
    assert told in broken[0]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("market/a.py", "from tokenflow_sim import errors\nfrom . import layout\nimport numpy"),
        ("agents/a.py", "import mesa\nfrom tokenflow_sim.strategies.base import View"),
        ("plot/app.py", "from mesa.visualization import SolaraViz"),
        ("cli/a.py", "import tokenflow_sim as tf\nfrom tokenflow_sim.plot import prices"),
        ("__init__.py", "from tokenflow_sim.plot import prices"),
    ],
)
def test_an_arrow_that_points_down_is_free(tmp_path: Path, file: str, text: str) -> None:
    root = tmp_path / PACKAGE
    root.mkdir()
    (root / "errors.py").touch()
    good = root / file
    good.parent.mkdir(exist_ok=True)
    good.write_text(text)
    assert broken_rules(root) == []
