"""A report opened from disk, in a browser without a network."""

from __future__ import annotations

from pathlib import Path

import pytest
import xarray as xr

from tests.app.browser import chromium, tab
from tokenflow_sim.report import write_report

pytestmark = [pytest.mark.browser, pytest.mark.long]


def test_it_opens_from_disk_without_a_network_and_prints(played: xr.Dataset, tmp_path: Path) -> None:
    chromium()
    file = write_report(played, tmp_path / "report.html")
    with tab(offline=True) as opened:
        page = opened.page
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url.partition(":")[0]))
        page.goto(file.as_uri())
        assert page.get_by_role("heading", level=1).inner_text() == "small"
        drawn = page.locator("figure.drawing img").evaluate_all("images => images.map(i => i.naturalWidth)")
        assert drawn
        assert min(drawn) > 100
        assert set(asked) <= {"file", "data"}
        wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0
        page.set_viewport_size({"width": 390, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
        assert len(page.pdf(format="A4")) > 10_000
        page.emulate_media(media="print")
        assert not page.locator("nav").is_visible()
        opened.check()
