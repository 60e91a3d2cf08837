"""The README does what it says: every command and every block of Python in it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.documents import SET_UP, TEST_COMMAND, Block, blocks_of, commands_of, expect_output, run_page
from tests.nursery import Nursery
from tests.test_docs import WITH_README

CHECKOUT = Path(__file__).resolve().parents[1]
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")


def test_it_opens_with_the_main_job_and_the_tests_and_ci_runs_these_very_commands() -> None:
    opening = [block for block in blocks_of(README) if block.kind == "bash"][:2]
    (job,), (tests,) = map(commands_of, opening)
    assert job.startswith(f"{SET_UP}uv run tokenflow run us20_oligopoly ")
    assert tests == SET_UP + TEST_COMMAND
    run = Block("bash", (CHECKOUT / ".ci" / "run").read_text(encoding="utf-8"), 0)
    assert {job, tests} <= set(commands_of(run))


@pytest.mark.long
def test_every_command_and_every_block_of_python_runs_here_and_in_the_first_tutorial(
    tmp_path: Path, uv: str, nursery: Nursery
) -> None:
    (tmp_path / "experiments").symlink_to(CHECKOUT / "experiments")
    ran: dict[str, str] = {}
    kinds = {block.kind for block, _ in run_page(README, tmp_path, uv, ran, nursery)}
    assert {"bash", "python"} <= kinds
    assert (tmp_path / "results" / "week.nc").is_file()
    assert list((tmp_path / "results" / "figures").iterdir())
    tutorial = WITH_README.read_text(encoding="utf-8")
    assert any(command in ran for block in blocks_of(tutorial) for command in commands_of(block))
    assert list(run_page(tutorial, tmp_path, uv, ran, nursery))


def test_a_command_that_has_run_in_the_folder_is_not_run_again(tmp_path: Path, uv: str) -> None:
    page, ran = "```bash\necho one; mkdir new\n```\n```text\none\n```\n", {}
    assert list(run_page(page, tmp_path, uv, ran)) == list(run_page(page, tmp_path, uv, ran))


def test_a_block_that_fails_is_told(tmp_path: Path, uv: str) -> None:
    with pytest.raises(AssertionError, match="line 2: tokenflow-of-another-name"):
        list(run_page("text\n```bash\ntokenflow-of-another-name\n```\n", tmp_path, uv))
    with pytest.raises(ZeroDivisionError):
        list(run_page("```python\n1 / 0\n```\n", tmp_path, uv))


def test_shown_output_must_have_been_printed(tmp_path: Path, uv: str) -> None:
    page = "```python\nprint('a  b\\nc\\nd 7 e')\n```\n```text\na b\n...\nd ... e\n```\n"
    assert [printed for _, printed in run_page(page, tmp_path, uv)] == ["a  b\nc\nd 7 e\n"]
    with pytest.raises(AssertionError, match="not printed"):
        list(run_page(page.replace("a b", "a x"), tmp_path, uv))
    with pytest.raises(AssertionError, match="not printed"):
        expect_output(Block("text", "d\nc\n", 1), "c\nd\n")
