"""Places in a scenario: dotted paths, the schema at a place, and faults in plain words."""

from __future__ import annotations

import re
import types
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Union, get_args, get_origin
from unicodedata import normalize

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from tokenflow_sim.errors import unknown_name
from tokenflow_sim.scenario.fields import Spec

Loc = tuple[str | int, ...]
Found = tuple[Loc, str]
"""A fault before it has a file: its place and what is wrong."""

IS_NEEDED = "is needed, and is not given"

_TOKEN = re.compile(r'(?:"([^"]+)"|([^."\[\]]+))((?:\[\d+\])*)(\.|$)')


def path_of(loc: Loc) -> str:
    """Write a place as a dotted path, e.g. ``providers.b.assets[2].node``; names with dots stand in quotes."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{quoted(part)}" if text else quoted(part)
    return text


def quoted(name: str) -> str:
    """Return a name as it stands in a dotted path: in quotes where it holds a dot."""
    return f'"{name}"' if "." in name else name


def parse_path(path: str) -> Loc:
    """Read a dotted path.

    Raises
    ------
    ValueError
        If the text is no path.
    """
    loc: list[str | int] = []
    text, at, more = normalize("NFC", path).strip(), 0, True
    while more:
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(
                f"{path!r} is no dotted path such as demand.scale or providers.b.assets[2].node; names with dots"
                ' stand in quotes, workloads."a.b".value'
            )
        loc.append(match[1] or match[2])
        loc += [int(number) for number in re.findall(r"\d+", match[3])]
        at, more = match.end(), bool(match[4])
    return tuple(loc)


def unwrap(annotation: Any) -> Any:
    """Take Annotated and Optional off a type."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in (Union, types.UnionType):
            rest = [arg for arg in get_args(annotation) if arg is not type(None)]
            if len(rest) != 1:
                return annotation
            annotation = rest[0]
        else:
            return annotation


def type_at(root: Any, loc: Loc) -> Any:
    """Return the type that the schema has at a place; None beyond what it describes."""
    found = unwrap(root)
    for part in loc:
        if isinstance(found, type) and issubclass(found, BaseModel):
            field = {_shown_name(name, item): item for name, item in found.model_fields.items()}.get(
                str(part)
            )
            found = None if field is None else unwrap(field.annotation)
        elif get_origin(found) is dict:
            found = unwrap(get_args(found)[1])
        elif get_origin(found) is tuple:
            found = unwrap(get_args(found)[0])
        else:
            return None
    return found


def fields_at(root: Any, loc: Loc) -> list[str]:
    """Return the names of the fields at a place, if the schema has fields there."""
    found = type_at(root, loc)
    if isinstance(found, type) and issubclass(found, BaseModel) and not issubclass(found, Spec):
        return [_shown_name(name, item) for name, item in found.model_fields.items()]
    return []


def _shown_name(name: str, field: FieldInfo) -> str:
    """Return what files call a field."""
    return field.alias or name


def value_at(data: Any, loc: Loc) -> Any:
    """Return the value at a place of plain data; None where there is nothing."""
    for part in loc:
        if isinstance(data, Mapping):
            data = data.get(part)
        elif isinstance(data, (list, tuple)) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            return None
    return data


def faults_of(error: ValidationError, root: Any) -> list[Found]:
    """Tell pydantic's errors in plain words, one per place."""
    found: dict[Loc, str] = {}
    for loc, details in errors_of(error, root):
        message = say(details, root, loc)
        found[loc] = _either(found[loc], message) if loc in found else message
    return list(found.items())


def _either(first: str, second: str) -> str:
    """Join what two choices of one place ask for; keep the first where they cannot be joined."""
    (wanted, _, found), (other, _, again) = first.partition("; found "), second.partition("; found ")
    if found != again or not found or not other.startswith("must be "):
        return first
    if not wanted.startswith("must be ") or other == wanted:
        return first
    return f"{wanted.replace(' or ', ', ')} or {other.removeprefix('must be ')}; found {found}"


def _without_choices(loc: Loc, root: Any) -> Loc:
    """Return a place without the names that pydantic gives to the choices of a union."""
    place: Loc = ()
    was_choice = False
    for part in loc:
        is_union = get_origin(type_at(root, place)) in (Union, types.UnionType) and isinstance(part, str)
        was_choice = is_union and not was_choice  # what follows the choice is of the user
        place = place if was_choice else (*place, part)
    return place


def errors_of(error: ValidationError, root: Any) -> list[tuple[Loc, ErrorDetails]]:
    """Return pydantic's errors by place, without those that only follow from others."""
    errors = [
        (_without_choices(tuple(part for part in details["loc"] if part != "[key]"), root), details)
        for details in error.errors(include_url=False)
    ]
    # A list is also called too short where its only entry is at fault.
    holders = {loc[:length] for loc, _ in errors for length in range(len(loc))}
    return [(loc, details) for loc, details in errors if details["type"] != "too_short" or loc not in holders]


def _shown(value: Any) -> str:
    if not isinstance(
        value, (type(None), bool, int, float, str, bytes, date, list, tuple, set, frozenset, dict)
    ):
        return f"a {type(value).__name__}"  # a table's text would run over many lines
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def say(details: ErrorDetails, root: Any = None, loc: Loc = ()) -> str:
    """Tell one of pydantic's errors in plain words: what must be, and what was found."""
    kind, context = details["type"], details.get("ctx", {})
    found = f"found {_shown(details['input'])}"
    if kind == "missing":
        return IS_NEEDED
    if kind == "extra_forbidden":
        return unknown_name("field", loc[-1], fields_at(root, loc[:-1]), limit=30)
    if kind == "value_error":
        message = str(context["error"]).removesuffix(".")
        says_so = "found" in message or _shown(details["input"]) in message
        return message if says_so else f"{message}; {found}"
    if kind in ("is_instance_of", "sequence_str"):
        return f"must be {_instance(str(context.get('class', 'Sequence')))}; {found}"
    if kind == "literal_error":
        return f"must be {context['expected']}; {found}"
    if kind in _WORDS:
        return f"{_WORDS[kind]}; {found}"
    if kind in _BOUNDS:
        word, key = _BOUNDS[kind]
        return f"must be {word} {context[key]:g}; {found}"
    if kind in ("too_short", "too_long"):
        limit = context.get("min_length", context.get("max_length"))
        return f"needs {limit} {'entry' if limit == 1 else 'entries'}; found {context['actual_length']}"
    return f"{details['msg']}; {found}"


_BOUNDS = {
    "greater_than": ("greater than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}


def _instance(name: str) -> str:
    """Return what an instance of a class is called in a file."""
    if name.endswith("Series"):
        return "a table: CSV text, the path of a CSV file, or a list of rows"
    return {"Sequence": "a list", "Mapping": "a mapping"}.get(name, f"a {name}")


_WORDS = {
    "finite_number": "must be finite",
} | {
    name: words
    for words, names in {
        "must be a number": ("float_type", "float_parsing"),
        "must be a whole number": ("int_type", "int_parsing", "int_from_float", "int_parsing_size"),
        "must be text (in quotes if it looks like something else)": ("string_type",),
        "must be true or false": ("bool_type", "bool_parsing"),
        "must be a mapping": ("dict_type", "model_type", "model_attributes_type"),
        "must be a list": ("tuple_type", "list_type"),
        "must be a date and time such as 2026-01-05 00:00": (
            "datetime_type",
            "datetime_parsing",
            "datetime_from_date_parsing",
            "datetime_object_invalid",
        ),
    }.items()
    for name in names
}
