"""The learning curve of a training: a table that grows with it, kept in checkpoints and written as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tokenflow_sim.disk import write_whole

FILE = "learning_curve.csv"


class LearningCurve:
    """Rows of numbers by steps taken, and a TensorBoard log of the same where TensorBoard is installed.

    Parameters
    ----------
    folder : Path
        The training's folder.
    tensorboard : bool
        Whether to log to TensorBoard too, in the folder's ``tensorboard``.
    rows : iterable of dict
        The rows of a training that is resumed.
    """

    def __init__(self, folder: Path, tensorboard: bool, rows: Iterable[dict[str, float]] = ()) -> None:
        self.folder = folder
        self.rows = list(rows)
        self._log: Any = None
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                return
            self._log = SummaryWriter(str(folder / "tensorboard"))

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Add a row."""
        self.rows.append({"step": step, **values})
        if self._log is not None:
            for name, value in values.items():
                self._log.add_scalar(name, value, step)

    def write(self) -> None:
        """Write the table.

        Raises
        ------
        ResultError
            If it cannot be written.
        """
        path = self.folder / FILE
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        text = io.StringIO()
        table = csv.DictWriter(text, columns, lineterminator="\n")
        table.writeheader()
        table.writerows(self.rows)
        write_whole(path, text.getvalue().encode())
        if self._log is not None:
            self._log.flush()

    def close(self) -> None:
        """Write the table and end the log."""
        self.write()
        if self._log is not None:
            self._log.close()
