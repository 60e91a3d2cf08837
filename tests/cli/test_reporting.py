from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Invoke, assert_clean_error
from tokenflow_sim.report import run as runs


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "drawings", lambda ds: iter(()))


def test_a_report_is_written_beside_the_run_and_replaced_on_request(
    tokenflow: Invoke, run_file: Path
) -> None:
    page = run_file.with_suffix(".html")
    assert tokenflow("report", run_file).stdout == f"report: {page}\n"
    first = page.read_text(encoding="utf-8")
    assert "tokenflow run us5 --seed 7 --set periods=3 --set demand.scale=30.0 --out again.nc" in first
    assert "exists already" in assert_clean_error(tokenflow("report", run_file))
    page.write_text("other")
    assert tokenflow("report", run_file, "--force").exit_code == 0
    assert page.read_text(encoding="utf-8") == first


def test_a_new_folder_is_made(tokenflow: Invoke, run_file: Path, tmp_path: Path) -> None:
    assert tokenflow("report", run_file, "-o", "pages/one.html").exit_code == 0
    assert (tmp_path / "pages" / "one.html").is_file()


def test_a_bad_name_or_file_is_refused_and_nothing_is_written(
    tokenflow: Invoke, run_file: Path, tmp_path: Path
) -> None:
    assert "ends in .html" in assert_clean_error(tokenflow("report", run_file, "-o", "page.pdf"))
    assert "does not exist" in assert_clean_error(tokenflow("report", "absent.nc", "-o", "pages/a.html"))
    assert not (tmp_path / "pages").exists()
