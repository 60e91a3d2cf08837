"""The reference page of all figures, written from their docstrings."""

from __future__ import annotations

import inspect

from tokenflow_sim.plot.registry import Entry, entries

_HEAD = """# Figures

Every function takes the results of a run (`model.results()`, `tf.load_results(path)`, or a selection from either)
and returns a matplotlib `Figure`. What is missing, or a name that is unknown, is told by a `ResultError` with what is
known. `tf.plot.figures(ds)` returns the functions that a Dataset allows, by name; `tokenflow plot` draws those. See
[how to draw and change figures](../how-to/figures.md).

<!-- Made from the docstrings in tokenflow_sim/plot/gallery/ by docs/make_reference.py; change them there. -->
"""


def reference() -> str:
    """Return the page, in Markdown."""
    own = {name: entry for name, entry in entries().items() if entry.is_own}
    table = ["| figure | what it shows |", "| --- | --- |"]
    table += [f"| `{name}` | {entry.summary} |" for name, entry in own.items()]
    return "\n".join([_HEAD, *table, "", *map(_section, own.values())])


def _section(entry: Entry) -> str:
    shown, starred = [], False
    for parameter in inspect.signature(entry.draw).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            shown.append("*")
            starred = True
        default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
        shown.append(parameter.name + default)
    text, _, rest = (inspect.getdoc(entry.draw) or "").partition("\n\nParameters\n----------\n")
    needs = ", ".join(f"`{need}`" for need in entry.needs)
    parts = [f"## {entry.name}", f"`tf.plot.{entry.name}({', '.join(shown)})`", text]
    parts += ["\n".join(_parameters(rest.partition("\n\n")[0])), f"Needs {needs}."]
    return "\n\n".join(parts) + "\n"


def _parameters(section: str) -> list[str]:
    """Turn the parameters of a NumPy-style docstring into a Markdown list."""
    items: list[str] = []
    for line in section.splitlines():
        if line.startswith(" "):
            items[-1] += " " + line.strip()
        elif line:
            term, _, kind = line.partition(" : ")
            items.append(f"- `{term}` ({kind}):")
    return items
