"""The page that explains the price rule shows what the code does."""

from __future__ import annotations

from pathlib import Path

from tests.documents import blocks_of, run_page
from tests.market.small import cleared
from tests.oracle.paper_markets import paper_market

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "prices.md"


def test_its_examples_print_what_it_says(tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    ran = [block for block, _ in run_page(text, tmp_path, uv="")]
    assert len(ran) == 7
    assert {block.kind for block in blocks_of(text)} == {"python", "text"}


def test_the_papers_point_is_as_it_says() -> None:
    clearing = cleared(paper_market(5, scale=40.0))
    image = clearing.price_bounds().sel(workload="image")
    assert round(float(image.lower.mean()), 1) == 89.2
    assert round(float(clearing.price.sel(workload="image").mean()), 1) == 89.4
