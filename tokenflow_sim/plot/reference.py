"""The reference page of all figures, written from their docstrings."""

from __future__ import annotations

import inspect

from tokenflow_sim.plot.registry import Entry, entries

_HEAD = """# Figures

Every function takes the results of a run (`model.results()`, `tf.load_results(path)`, or a selection from either)
and returns a matplotlib `Figure`. `tf.plot.figures(ds)` returns those that a Dataset allows, by name. See
[how to draw and change figures](../how-to/figures.md).

This page is written by `python -m tokenflow_sim.plot`.
"""
_HEADINGS = {"Parameters", "Returns", "Raises"}


def reference() -> str:
    """Return the page, in Markdown."""
    return "\n".join([_HEAD, *(_section(entry) for entry in entries().values())])


def _section(entry: Entry) -> str:
    shown, starred = [], False
    for parameter in inspect.signature(entry.draw).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            shown.append("*")
            starred = True
        default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
        shown.append(parameter.name + default)
    head = f"## `tf.plot.{entry.name}({', '.join(shown)})`"
    needs = ", ".join(f"`{need}`" for need in entry.needs)
    return "\n".join([head, "", _markdown(inspect.getdoc(entry.draw) or ""), "", f"Needs {needs}.", ""])


def _markdown(doc: str) -> str:
    """Turn a NumPy-style docstring into Markdown: its sections become bold words and lists."""
    out: list[str] = []
    in_list = False
    for line in doc.splitlines():
        if line in _HEADINGS:
            out.append(f"**{line}**")
            in_list = True
        elif line and not line.strip("-"):
            out.append("")
        elif in_list and line and not line.startswith(" "):
            term, _, kind = line.partition(" : ")
            out.append(f"- `{term}`" + (f": {kind}" if kind else ""))
        else:
            out.append(f"  {line.strip()}" if in_list and line else line)
    return "\n".join(out)
