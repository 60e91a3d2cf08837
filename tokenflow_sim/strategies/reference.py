"""The reference pages of all strategies, written from their docstrings: one each, and one that lists them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import get_args

from tokenflow_sim.strategies.base import BaseStrategy, Kind, parameters
from tokenflow_sim.strategies.registry import find, names

_AGENTS: dict[Kind, tuple[str, str]] = {
    "provider": ("Compute providers", "providers"),
    "owner": ("Network owners", "owners"),
    "region": ("Demand regions", "regions"),
}
_MADE = "<!-- Made from {} by docs/make_reference.py; change it there. -->"
_HEAD = f"""# Strategies

{_MADE.format("the docstrings in tokenflow_sim/strategies/")}

One page for each strategy that comes with the package: what it does, its formula, source and parameters, and a figure
of it at work. A scenario names it, `strategy: {{name: fixed_markup, markup: 0.2}}`; so do
`TokenMarket(..., strategies={{"atlas": "fixed_markup"}})` and `--set providers.atlas.strategy.name=fixed_markup`.
`tokenflow list strategies` lists them. How to [write one of your own](../../how-to/own-strategy.md).
"""


def pages(
    at_work: Mapping[str, Mapping[str, str]], has_figure: Callable[[str], bool]
) -> dict[str, Callable[[], str]]:
    """Return what makes each page, in Markdown, by file name.

    Parameters
    ----------
    at_work : mapping
        By strategy's name, a ``caption`` for its figure, and a ``remark`` that goes below; both may be left out.
    has_figure : callable
        Whether there is a figure for a strategy's name.
    """
    made: dict[str, Callable[[], str]] = {"index.md": _index}
    for kind in get_args(Kind):
        for name in names(kind):
            made[f"{name}.md"] = _Page(kind, name, at_work.get(name, {}), has_figure)
    return made


class _Page:
    """One strategy's page, written when it is called."""

    def __init__(
        self, kind: Kind, name: str, at_work: Mapping[str, str], has_figure: Callable[[str], bool]
    ) -> None:
        self.kind, self.name, self.at_work, self.has_figure = kind, name, at_work, has_figure

    def __call__(self) -> str:
        """Return the page."""
        cls = find(self.kind, self.name)
        text, sections = _sections(cls)
        plural = _AGENTS[self.kind][1]
        file = f"{cls.__module__.replace('.', '/')}.py"
        parts = [f"# {self.name}", _MADE.format(f"the docstring in {file}"), text]
        parts += [f"A strategy of {plural}, `{cls.__name__}` in `{file}`.", "## Parameters"]
        parts.append(_table(cls, sections.pop("Parameters", "")))
        for title, heading in (("Notes", "How it works"), ("References", "Source")):
            if title in sections:
                parts += [f"## {heading}", _markdown(sections[title])]
        caption, remark = self.at_work.get("caption", ""), self.at_work.get("remark", "")
        if self.has_figure(self.name):
            picture = f"![{self.name} at work](../../images/strategies/{self.name}.png)"
            parts += ["## At work", picture, caption.strip()]
        parts.append(remark.strip())
        return "\n\n".join(part for part in parts if part) + "\n"


def _index() -> str:
    lines = [_HEAD]
    for kind, (title, _) in _AGENTS.items():
        lines += [f"## {title}", "", "| strategy | what it does |", "| --- | --- |"]
        for name in names(kind):
            summary = _sections(find(kind, name))[0].partition("\n")[0]
            lines.append(f"| [{name}]({name}.md) | {summary} |")
        lines.append("")
    lines += [":::{toctree}", ":hidden:", ":glob:", "", "*", ":::"]
    return "\n".join(lines).rstrip() + "\n"


def _sections(cls: type[BaseStrategy]) -> tuple[str, dict[str, str]]:
    """Part a NumPy-style docstring into its text and its sections by title."""
    doc = inspect.cleandoc(cls.__doc__ or "")
    text, *rest = re.split(r"^(\w[\w ]*)\n-{3,}\n", doc, flags=re.MULTILINE)
    return text.strip(), {title: body.strip("\n") for title, body in zip(rest[::2], rest[1::2], strict=True)}


def _table(cls: type[BaseStrategy], section: str) -> str:
    """Set the parameters as a table, defaults read off the signature."""
    own = parameters(cls)
    if not own:
        return "None."
    terms: dict[str, tuple[str, list[str]]] = {}
    last = ""
    for line in section.splitlines():
        if line.startswith(" "):
            terms[last][1].append(line.strip())
        elif line.strip():
            last, _, kind = (part.strip() for part in line.partition(" : "))
            terms[last] = (kind, [])
    rows = ["| parameter | type | default | meaning |", "| --- | --- | --- | --- |"]
    for name, parameter in own.items():
        kind, meaning = terms.get(name, ("", []))
        is_needed = parameter.default is parameter.empty or parameter.default == ""
        default = "needed" if is_needed else f"`{_yaml(parameter.default)}`"
        rows.append(f"| `{name}` | {kind} | {default} | {_markdown(' '.join(meaning))} |")
    return "\n".join(rows)


def _yaml(value: object) -> str:
    """Write a default as a scenario would."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, tuple | list):
        return f"[{', '.join(_yaml(one) for one in value)}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _markdown(text: str) -> str:
    """Turn the literals and names of a docstring into Markdown's."""
    return re.sub(r"``(.+?)``", r"`\1`", text.strip("\n"))
