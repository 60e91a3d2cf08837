"""Run a Markdown page as its reader would: its commands and its Python, from top to bottom, in one folder."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from tests.nursery import Done, Nursery

CHECKOUT = Path(__file__).resolve().parents[1]
SET_UP = "pip install uv && "
TEST_COMMAND = "uv run pytest"
TOKENFLOW = ["uv", "run", "tokenflow"]
SECONDS = 600.0
_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What makes a line one for a shell: pipes, redirections, variables, lists of commands.
_SHELL = re.compile(r"[|<>$&;`*?~]")
# A `console` block shows commands for machines that a test has not, such as a cluster's; it is not run.
_KINDS = {"bash", "console", "python", "text", "yaml", "csv", "bibtex", "mermaid"}


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    kind: str
    text: str
    line: int


def blocks_of(page: str) -> list[Block]:
    """Find the fenced blocks of a page, in order."""
    return [
        Block(found[1], found[2], page.count("\n", 0, found.start()) + 1) for found in _FENCE.finditer(page)
    ]


def commands_of(block: Block) -> list[str]:
    """Give the commands of a bash block, lines that go on joined, comments left out."""
    lines = block.text.replace("\\\n", " ").splitlines()
    bare = [re.sub(r"\s+", " ", line.split(" # ")[0]).strip() for line in lines]
    return [line for line in bare if line and not line.startswith("#")]


def run_page(
    page: str, folder: Path, uv: str, ran: dict[str, str] | None = None, nursery: Nursery | None = None
) -> Iterator[tuple[Block, str]]:
    """Run all of a page in a folder, and give each block that ran with what it printed.

    A ``text`` block that follows shows output: its lines must have been printed, in their order, where
    ``...`` stands for any others, and within a line for anything. The command of the tests themselves is left to CI.
    `ran` holds what commands have printed: of another page that was run in the same folder, they are not run again.
    With a `nursery`, the commands that are nothing but `tokenflow` start from it, and so without importing everything.
    """
    ran = {} if ran is None else ran
    former = dict(ran)
    main = ModuleType("__main__")
    printed = ""
    for block in blocks_of(page):
        assert block.kind in _KINDS, f"line {block.line}: what is a block of {block.kind!r}?"
        if block.kind == "bash":
            lines = [line.removeprefix(SET_UP) for line in commands_of(block)]
            commands = [command for line in lines for command in line.split(" && ")]
            for command in commands:
                if command not in {TEST_COMMAND, *former}:
                    ran[command] = run_command(command, folder, uv, block.line, nursery)
            printed = "".join(ran.get(command, "") for command in commands)
            yield block, printed
        elif block.kind == "python":
            with as_script(main), contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(block.text, f"<page, line {block.line}>", "exec"), vars(main))
            printed = out.getvalue()
            yield block, printed
        elif block.kind == "text":
            expect_output(block, printed)


@contextlib.contextmanager
def as_script(main: ModuleType) -> Iterator[None]:
    """Put a page in the place of the script, where pickle looks for what it defines."""
    script, sys.modules["__main__"] = sys.modules["__main__"], main
    try:
        yield
    finally:
        sys.modules["__main__"] = script


def run_command(command: str, folder: Path, uv: str, line: int = 0, nursery: Nursery | None = None) -> str:
    """Run one command of a page with this environment's project, whatever folder it stands in."""
    steering = {
        "PATH": f"{Path(uv).parent}{os.pathsep}{os.environ['PATH']}",
        "UV_PROJECT": str(CHECKOUT),
        "UV_NO_SYNC": "1",
        "MPLBACKEND": "Agg",
        "COLUMNS": "110",
    }
    words = shlex.split(command)
    if nursery is not None and words[: len(TOKENFLOW)] == TOKENFLOW and not _SHELL.search(command):
        done = nursery.run(words[len(TOKENFLOW) :], folder, steering)
    else:
        told = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=folder, env=os.environ | steering, text=True, capture_output=True, timeout=SECONDS, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        done = Done(told.returncode, told.stdout, told.stderr)
    shown = f"line {line}: {command}\n{done.out}\n{done.err}"
    assert done.status == 0, shown
    assert "Traceback" not in done.err, shown
    return done.out


def expect_output(block: Block, printed: str) -> None:
    """Check that the lines of a ``text`` block were printed, in their order."""
    rest = [squeeze(line) for line in printed.splitlines()]
    for line in filter(None, map(squeeze, block.text.splitlines())):
        if line == "...":
            continue
        wanted = re.compile(".*".join(map(re.escape, line.split("..."))))
        places = [place for place, found in enumerate(rest) if wanted.fullmatch(found)]
        assert places, f"line {block.line}: not printed here: {line!r}, but\n{printed}"
        rest = rest[places[0] + 1 :]


def squeeze(line: str) -> str:
    """Make runs of blanks and of rules single, since tables stretch with the terminal."""
    return re.sub(r"([\s─━═-])[\s─━═-]+", r"\1", line).strip()
