"""Modules of a user's own, loaded as their files are now: an edited module is new code in every process alike.

Python imports a module once and keeps it. Whoever edits a strategy and names it again means the new one, so that a
file that has changed is loaded as a new module under the old name; what was made of the old one keeps its code.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from threading import RLock
from types import CodeType, ModuleType
from typing import Any

MARK = "__tokenflow_sim_source__"
"""Where a module that was loaded here keeps the digests of its source and of what it imports beside it."""

_lock = RLock()
_held = 0


def load(name: str) -> ModuleType:
    """Import a module; reload it where its file, or one that it imports from the same folder, has changed.

    Parameters
    ----------
    name : str
        Its dotted name.

    Raises
    ------
    Exception
        Whatever importing it raises; what was loaded before stays.
    """
    with _lock:
        module = sys.modules.get(name)
        if module is not None and _held and MARK in vars(module):
            return module
        file = _file_of(name, module)
        if file is None:
            return importlib.import_module(name)
        sources = family(name, file)
        stale = _stale(name, sources)
        return _import(name, sources, stale) if stale or module is None else _marked(module, sources)


@contextmanager
def held() -> Iterator[None]:
    """Keep what was loaded while a study is played, though its file is edited meanwhile: a study has one code."""
    global _held
    with _lock:
        _held += 1
    try:
        yield
    finally:
        with _lock:
            _held -= 1


def family(name: str, file: Path) -> dict[str, bytes]:
    """Read a module and all that it imports, directly or not, from the folder in which its package stands.

    Parameters
    ----------
    name : str
        The module's dotted name; ``__main__`` for a script.
    file : Path
        Its file.

    Returns
    -------
    dict
        Source by dotted name; the module itself comes first. Without files that cannot be read.
    """
    depth = name.count(".") + (file.stem == "__init__")
    root = file.absolute().parents[depth]
    top = name.partition(".")[0] if _is_installed(root) else None
    found: dict[str, bytes] = {}
    waiting = [(name, file)]
    while waiting:
        one, path = waiting.pop()
        if one in found:
            continue
        try:
            found[one] = path.read_bytes()
        except OSError:
            continue
        for other in _imports(found[one], one, path.stem == "__init__"):
            place = _place(root, other)
            inside = top is None or other.partition(".")[0] == top
            if place is not None and inside and other.partition(".")[0] != "tokenflow_sim":
                waiting.append((other, place))
    return found


def digests(sources: Mapping[str, bytes]) -> dict[str, str]:
    """Return the SHA-256 of every source, by module."""
    return {name: hashlib.sha256(text).hexdigest() for name, text in sources.items()}


def is_loaded(names: Mapping[str, Any], codes: Sequence[CodeType], text: bytes, file: str) -> bool:
    """Say whether code in memory is that of a source, as far as can be seen.

    Parameters
    ----------
    names : mapping
        The module's global names.
    codes : sequence of code
        What was loaded of it, e.g. the methods of a class.
    text : bytes
        The source.
    file : str
        Its file; code from elsewhere is passed over.

    Returns
    -------
    bool
        False where a function differs from what the source compiles to, or a constant of the module does.
    """
    try:
        whole, tree = compile(text, file, "exec", dont_inherit=True), ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    written = set(_nested(whole))
    if any(code.co_filename == file and code not in written for code in codes):
        return False
    return all(name not in names or _same(names[name], value) for name, value in _constants(tree).items())


class _Exact(SourceFileLoader):
    """Compiles the text that it is given: bytecode in a cache may be of a text of the same size and second."""

    text = b""

    def get_code(self, fullname: str) -> CodeType:
        """Return the code of the text."""
        code: CodeType = self.source_to_code(self.text, self.get_filename(fullname))
        return code


class _Finder:
    """Finds the modules of one family, with their texts."""

    def __init__(self, sources: Mapping[str, bytes]) -> None:
        self.sources = sources

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find one of them; None for any other."""
        if name not in self.sources:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            loader = _Exact(spec.loader.name, spec.loader.path)
            loader.text = self.sources[name]
            spec.loader = loader
        return spec


def _file_of(name: str, module: ModuleType | None) -> Path | None:
    if module is not None:
        file = getattr(module, "__file__", None)
    else:
        importlib.invalidate_caches()  # the file may have been written a moment ago
        spec = importlib.util.find_spec(name)
        file = None if spec is None else spec.origin
    return Path(file) if file and file.endswith(".py") and Path(file).is_file() else None


def _stale(name: str, sources: Mapping[str, bytes]) -> set[str]:
    """Return which loaded modules of a family are not what their files say, or import one that is not."""
    now = digests(sources)
    stale = set()
    for one, text in sources.items():
        module = sys.modules.get(one)
        if module is None:
            continue
        then = vars(module).get(MARK)
        if then is not None:
            changed = then.get(one) != now[one]
        else:  # imported by somebody else: what it was then can only be seen by what it holds
            changed = is_ordinary(module) and not is_loaded(
                vars(module), list(_codes(module)), text, str(module.__file__)
            )
        if changed:
            stale.add(one)
    while more := {
        one
        for one in set(sources) - stale
        if one in sys.modules and stale & _imports(sources[one], one, _is_package(one)) - {one}
    }:
        stale |= more
    return stale


def _import(name: str, sources: Mapping[str, bytes], stale: set[str]) -> ModuleType:
    finder: Any = _Finder(sources)
    old = {one: sys.modules.pop(one) for one in stale}
    for one in stale:  # or `from package import module` would find the old one there
        package, _, child = one.rpartition(".")
        if getattr(sys.modules.get(package), child, None) is old[one]:
            delattr(sys.modules[package], child)
    sys.meta_path.insert(0, finder)
    try:
        importlib.import_module(name)
    except BaseException:
        for one in stale:
            sys.modules.pop(one, None)
        sys.modules.update(old)
        for one in stale:
            package, _, child = one.rpartition(".")
            if package in sys.modules:
                setattr(sys.modules[package], child, old[one])
        raise
    finally:
        sys.meta_path.remove(finder)
    return _marked(sys.modules[name], sources)


def _marked(module: ModuleType, sources: Mapping[str, bytes]) -> ModuleType:
    """Let the modules of a family remember of what text they were made."""
    name = next(iter(sources))
    found = digests(sources)
    vars(module)[MARK] = found
    for one in found.keys() - {name}:
        if (member := sys.modules.get(one)) is not None:
            vars(member).setdefault(MARK, {one: found[one]})
    return module


def _is_package(name: str) -> bool:
    return hasattr(sys.modules.get(name), "__path__")


def is_ordinary(module: ModuleType) -> bool:
    """Say whether Python's own loader made it: what pytest, for one, makes differs from its source."""
    return type(getattr(module.__spec__, "loader", None)) in (SourceFileLoader, _Exact)


def _is_installed(root: Path) -> bool:
    return str(root) in {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}


def _place(root: Path, name: str) -> Path | None:
    base = root.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@lru_cache(maxsize=256)
def _imports(text: bytes, name: str, is_package: bool) -> frozenset[str]:
    """Return the dotted names that a source may import, the packages that they stand in among them."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return frozenset()
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = name.split(".")[: len(name.split(".")) - node.level + is_package] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found.update(f"{base}.{alias.name}" if base else alias.name for alias in node.names)
            found.add(base)
    parts = [one.split(".") for one in found if one]
    return frozenset(".".join(part[:length]) for part in parts for length in range(1, len(part) + 1))


def _codes(module: ModuleType) -> Iterator[CodeType]:
    """Yield the code of a module's own functions and of the methods of its own classes."""
    for value in list(vars(module).values()):
        if getattr(value, "__module__", None) == module.__name__:
            yield from codes_of(value)


def codes_of(thing: object) -> Iterator[CodeType]:
    """Yield the code of a function, or of all methods of a class."""
    members = vars(thing).values() if isinstance(thing, type) else (thing,)
    for member in members:
        for part in (member, *(getattr(member, name, None) for name in ("__func__", "fget", "fset"))):
            code = getattr(part, "__code__", None)
            if isinstance(code, CodeType):
                yield code


def names_in(code: CodeType) -> set[str]:
    """Return the global names and attributes that code uses, that within it too."""
    return {name for one in _nested(code) for name in one.co_names}


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def _constants(tree: ast.Module) -> dict[str, Any]:
    """Return the names that a module gives a literal, and that only once."""
    found: dict[str, Any] = {}
    stored = [
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            target = node.targets[0].id
        elif isinstance(node, ast.AnnAssign) and node.value and isinstance(node.target, ast.Name):
            target = node.target.id
        else:
            continue
        if stored.count(target) == 1:
            try:
                found[target] = ast.literal_eval(node.value)  # type: ignore[arg-type]
            except (ValueError, TypeError, MemoryError, RecursionError):
                continue
    return found


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and repr(one) == repr(other)
