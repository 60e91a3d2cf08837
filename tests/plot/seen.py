"""What a reader sees on a figure: its words and where they stand, its series, its colours."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any
from unittest import mock

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox


@dataclass(frozen=True)
class Word:
    text: str
    box: Bbox
    points: float


def words_of(figure: Figure) -> list[Word]:
    """Draw a figure and return every text that was really drawn."""
    seen: list[Word] = []
    draw = Text.draw

    def record(self: Text, renderer: Any) -> None:
        if self.get_visible() and self.get_text().strip():
            seen.append(Word(self.get_text(), self.get_window_extent(renderer), float(self.get_fontsize())))
        draw(self, renderer)

    with mock.patch.object(Text, "draw", record):
        FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]
    return seen


def overlaps(words: list[Word]) -> list[tuple[str, str]]:
    """Return the pairs of texts that cover each other by more than half a pixel."""
    return [
        (one.text, other.text)
        for one, other in combinations(words, 2)
        if min(one.box.x1, other.box.x1) - max(one.box.x0, other.box.x0) > 0.5
        and min(one.box.y1, other.box.y1) - max(one.box.y0, other.box.y0) > 0.5
    ]


def outside(words: list[Word], figure: Figure) -> list[str]:
    """Return the texts that the edge of the figure cuts."""
    box = figure.bbox
    return [
        word.text
        for word in words
        if word.box.x0 < box.x0 - 0.5
        or word.box.y0 < box.y0 - 0.5
        or word.box.x1 > box.x1 + 0.5
        or word.box.y1 > box.y1 + 0.5
    ]


def line(ax: Axes, label: str) -> np.ndarray:
    """Return the ordinates of a stepped line, one a step, without the gaps."""
    (found,) = (each for each in ax.lines if each.get_label() == label)
    y = np.asarray(found.get_ydata(), dtype=float)
    y = y[~np.isnan(np.asarray(found.get_xdata(), dtype=float))]
    np.testing.assert_array_equal(y[0::2], y[1::2])
    return y[0::2]


def layer(ax: Axes, label: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower and upper outline of one unbroken layer of a stack, one value a step."""
    (found,) = (each for each in ax.collections if each.get_label() == label)
    return outline(found)


def outline(area: Any) -> tuple[np.ndarray, np.ndarray]:
    (path,) = area.get_paths()
    y = path.vertices[:, 1]
    half = (len(y) - 3) // 2  # a closed outline: forth along one side, back along the other
    return y[1 : 1 + half][0::2], y[2 + half : 2 + 2 * half][::-1][0::2]


# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])


def lab(colour: Any, vision: str = "normal") -> np.ndarray:
    """Return a colour in CIELAB as someone with that vision sees it."""
    rgb = np.array(to_rgb(colour), dtype=float)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = _XYZ @ np.clip(VISION[vision] @ linear, 0.0, 1.0) / _WHITE
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def closest(colours: list[str], vision: str) -> float:
    """Return the distance of the two colours that are hardest to tell apart."""
    seen = [lab(colour, vision) for colour in colours]
    return min(float(np.linalg.norm(one - other)) for one, other in combinations(seen, 2))
