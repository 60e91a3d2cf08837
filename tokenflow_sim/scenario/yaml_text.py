"""YAML text -> plain data with the line of every entry, and back.

Reads the core schema of YAML 1.2, so that `no` stays a name and `1e6` is a number, and nothing that could run
code or grow without bound: no tags, no merge keys, bounded depth, and aliases only up to a bounded size.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from tokenflow_sim.errors import Fault

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MAX_DEPTH = 40
MAX_ENTRIES = 1_000_000

Loc = tuple[str | int, ...]

_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULL = {"", "~", "null", "Null", "NULL"}
_INT = re.compile(r"[-+]?[0-9]{1,30}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_PLAIN_LINES = re.compile(r"[!-~](?:[ -~]*[!-~])?\n(?:[!-~](?:[ -~]*[!-~])?\n)*")
_PLAIN_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "map", "seq")}


class YamlFault(Exception):
    """The text is not the YAML that a scenario may use."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass
class Document:
    """What a text holds.

    Parameters
    ----------
    data : object
        Mappings, lists, text, numbers, booleans and None.
    lines : dict
        The line (from 1) on which each entry starts, by its path.
    faults : list of Fault
        Repeated keys, with their line in `file`.
    """

    data: Any
    lines: dict[Loc, int] = field(default_factory=dict)
    faults: list[tuple[Loc, str, int]] = field(default_factory=list)


@dataclass(eq=False)
class _Node:
    kind: str
    line: int
    value: Any
    closed: bool = True
    size: int = 1  # entries in it, those of aliases counted as often as they stand
    depth: int = 1


def resolve(text: str) -> Any:
    """Return what a bare word of YAML means: nothing, a truth value, a number or text."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _SPECIAL.fullmatch(text):
        return float(text.replace(".", ""))
    return text


def read(text: str) -> Document:
    """Read one YAML document.

    Raises
    ------
    YamlFault
        If the text is no YAML, or uses what a scenario may not: tags, several documents, endless nesting.
    """
    try:
        root = _compose(yaml.parse(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(part for part in (error.context, error.problem) if part)
        raise YamlFault(f"is no valid YAML: {problem}", mark.line + 1 if mark else None) from None
    except yaml.YAMLError as error:
        raise YamlFault(f"is no valid YAML: {' '.join(str(error).split())}") from None
    document = Document(None)
    if root is not None:
        document.data = _Expansion(document).build(root, ())
    return document


def _compose(events: Iterator[yaml.Event]) -> _Node | None:
    """Turn parser events into a tree in which an alias is the very node that it names."""
    root: _Node | None = None
    stack: list[_Node] = []
    anchors: dict[str, _Node] = {}
    for event in events:
        if isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            _close(stack.pop())
            continue
        if not isinstance(event, yaml.NodeEvent):
            continue
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent):
            found = anchors.get(str(event.anchor))
            if found is None:
                raise YamlFault(f"refers to an anchor that is not there: *{event.anchor}", line)
            if not found.closed:
                raise YamlFault(f"holds itself: *{event.anchor}", line)
            node = found
        else:
            tag = getattr(event, "tag", None)
            if tag is not None and tag not in _PLAIN_TAGS and tag != "!":
                raise YamlFault(f"has a tag, which a scenario may not: {tag}", line)
            if isinstance(event, yaml.ScalarEvent):
                bare = event.implicit[0] and event.style in (None, "")
                node = _Node("scalar", line, resolve(event.value) if bare else event.value)
            else:
                kind = "map" if isinstance(event, yaml.MappingStartEvent) else "list"
                node = _Node(kind, line, [], closed=False)
            if event.anchor is not None:
                anchors[event.anchor] = node
        if stack:
            stack[-1].value.append((node, line))
        elif root is None:
            root = node
        else:
            raise YamlFault("holds more than one document; a scenario is one", line)
        if node.kind != "scalar" and not node.closed:
            stack.append(node)
            if len(stack) > MAX_DEPTH:
                raise YamlFault(f"is nested more than {MAX_DEPTH} deep", line)
    return root


def _close(node: _Node) -> None:
    """Measure a finished mapping or list, before aliases of it are written out."""
    node.closed = True
    node.size += sum(child.size for child, _ in node.value)
    node.depth += max((child.depth for child, _ in node.value), default=0)
    if node.size > MAX_ENTRIES:
        raise YamlFault(f"grows beyond {MAX_ENTRIES} entries; put long tables in CSV files", node.line)
    if node.depth > MAX_DEPTH:
        raise YamlFault(f"is nested more than {MAX_DEPTH} deep", node.line)


class _Expansion:
    """One walk over the tree that makes plain data."""

    def __init__(self, document: Document) -> None:
        self.document = document

    def build(self, node: _Node, loc: Loc) -> Any:
        if node.kind == "scalar":
            return node.value
        if node.kind == "list":
            items = []
            for number, (child, line) in enumerate(node.value):
                self.document.lines[(*loc, number)] = line
                items.append(self.build(child, (*loc, number)))
            return items
        mapping: dict[Any, Any] = {}
        for (key_node, line), (child, _) in zip(node.value[::2], node.value[1::2], strict=True):
            key = self.key(key_node, loc)
            place = (*loc, key)
            if key in mapping:
                message = f"is given twice, first on line {self.document.lines[place]}"
                self.document.faults.append((place, message, line))
                continue
            self.document.lines[place] = line
            mapping[key] = self.build(child, place)
        return mapping

    def key(self, node: _Node, loc: Loc) -> str:
        """Return a key as text: a bare 7 or null is a name like any other."""
        value = node.value
        if node.kind != "scalar" or isinstance(value, (bool, float)) or value is None:
            shown = value if node.kind == "scalar" else f"a {node.kind}"
            raise YamlFault(f"a key must be text; found {shown} (quote it if it is a name)", node.line)
        return str(value)


class Block(str):
    """Text to be written as a block of lines."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Writes what `read` reads: the same words need quotes."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012  (PyYAML's own protocol)

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _tag, _pattern, _first in (
    ("bool", "|".join(_BOOL), "tTfF"),
    ("null", "~|null|Null|NULL|", "~nN"),
    ("int", _INT.pattern, "-+0123456789"),
    ("float", f"{_FLOAT.pattern}|{_SPECIAL.pattern}", "-+.0123456789"),
    ("merge", "<<", "<"),
):
    _Dumper.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}",
        re.compile(f"(?:{_pattern})$"),
        [*_first] + ([""] if _tag == "null" else []),
    )


def _represent_text(dumper: yaml.SafeDumper, data: str) -> yaml.Node:
    # Line breaks beyond LF come back whole only from double quotes.
    odd = any(mark in data for mark in "\r\x85\u2028\u2029")
    style = '"' if odd else "|" if isinstance(data, Block) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(data), style=style)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(Block, _represent_text)


_LONG = 10_000


def write(data: Any) -> str:
    """Write plain data as YAML that `read` reads back equal."""
    blocks: list[str] = []
    text = yaml.dump(
        _without_long(data, blocks), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100
    )
    # PyYAML looks at each character of a block several times, which takes minutes for a year of prices.
    for number, block in enumerate(blocks):
        before, _, after = text.partition(f"{_stand_in(block, number)}\n")
        line = before[before.rfind("\n") + 1 :]
        indent = " " * (len(line) - len(line.lstrip()) + 2)
        text = f"{before}|\n{indent}{block[:-1].replace(chr(10), chr(10) + indent)}\n{after}"
    return text


def _stand_in(block: str, number: int) -> str:
    """Return a text that stands nowhere else."""
    return f"block_{number}_{hashlib.sha256(block.encode()).hexdigest()}"


def _without_long(data: Any, blocks: list[str]) -> Any:
    """Return data with a short text in place of each long block of plain lines, which goes to `blocks`."""
    if isinstance(data, dict):
        return {key: _without_long(item, blocks) for key, item in data.items()}
    if isinstance(data, Block) and len(data) > _LONG and _PLAIN_LINES.fullmatch(data):
        blocks.append(data)
        return _stand_in(data, len(blocks) - 1)
    return data


def as_fault(error: YamlFault, file: str) -> Fault:
    """Say where the text is at fault."""
    return Fault(error.message, "", f"{file}:{error.line}" if error.line and file else file)
