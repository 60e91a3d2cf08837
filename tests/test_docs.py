"""The documentation is true: its commands and its Python run, its links and the code that it names exist."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from docs.make_reference import FOLDER, PAGES
from tests.documents import run_page
from tests.nursery import Nursery

CHECKOUT = Path(__file__).resolve().parents[1]
DOCS = CHECKOUT / "docs"
PAGES_TO_READ = sorted([*DOCS.rglob("*.md"), *CHECKOUT.glob("*.md")])
# The first week begins as the README does, and is run with it (tests/test_readme.py): both take long.
WITH_README = DOCS / "tutorials" / "first-week.md"
# Of the explanations one shows what it says by code.
EXPLAINED = DOCS / "explanation" / "smooth-competition.md"
# Notebooks, which have a kernel in their head, are run where the site is built.
PAGES_TO_RUN = [
    page
    for page in sorted([*(DOCS / "tutorials").glob("*.md"), *(DOCS / "how-to").glob("*.md"), EXPLAINED])
    if page.name != "index.md"
    and page != WITH_README
    and not page.read_text(encoding="utf-8").startswith("---\njupytext:")
]

_LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
_PATH = re.compile(
    r"`((?:tokenflow_sim|scenarios|tests|experiments|docs|benchmarks|\.ci)/[\w./-]*|[\w-]+\.(?:toml|cff))`"
)
_NAME = re.compile(r"`(tokenflow_sim(?:\.\w+)+)`")


def of(page: Path) -> str:
    return page.relative_to(CHECKOUT).as_posix()


@pytest.mark.long
@pytest.mark.usefixtures("forked_workers")
@pytest.mark.parametrize("page", PAGES_TO_RUN, ids=of)
def test_every_command_and_every_block_of_python_runs(
    page: Path, tmp_path: Path, uv: str, nursery: Nursery
) -> None:
    assert list(run_page(page.read_text(encoding="utf-8"), tmp_path, uv, nursery=nursery))


@pytest.mark.parametrize("page", PAGES_TO_READ, ids=of)
def test_links_and_named_files_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link.split("#")[0] for link in _LINK.findall(text) if not re.match(r"\w+:", link)]
    missing = [link for link in links if link and not (page.parent / link).exists()]
    missing += [path for path in _PATH.findall(text) if not (CHECKOUT / path).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES_TO_READ, ids=of)
def test_named_modules_and_functions_exist(page: Path) -> None:
    for name in _NAME.findall(page.read_text(encoding="utf-8")):
        found, *rest = name.split(".")
        place = importlib.import_module(found)
        for part in rest:
            found = f"{found}.{part}"
            place = getattr(place, part, None) or importlib.import_module(found)


@pytest.mark.parametrize("name", PAGES)
def test_pages_made_from_code_are_current(name: str) -> None:
    written = (FOLDER / name).read_text(encoding="utf-8")
    assert written == PAGES[name](), "run: uv run python docs/make_reference.py"


def test_every_page_of_the_docs_is_reached_from_the_index() -> None:
    reached, todo = set(), [DOCS / "index.md"]
    while todo:
        page = todo.pop().resolve()
        if page not in reached:
            reached.add(page)
            links = _LINK.findall(page.read_text(encoding="utf-8"))
            local = [page.parent / link.split("#")[0] for link in links if not re.match(r"\w+:|#", link)]
            todo += [path for path in local if path.suffix == ".md"]
    assert {page for page in DOCS.rglob("*.md") if page.resolve() not in reached} == set()
