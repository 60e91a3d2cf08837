"""Names that look the same and are not: letters of one alphabet that stand for those of another.

References
----------
Unicode Technical Standard 39, Unicode Security Mechanisms, section 4: skeletons of confusable text. The table here has
the letters of the Cyrillic, Greek and Armenian alphabets that are drawn like Latin ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from unicodedata import name as name_of
from unicodedata import normalize

_ALPHABETS = {
    "\u0430\u0441\u0501\u0435\u04bb\u0456\u0458\u043e": "acdehijo",
    "\u0440\u051b\u0455\u051d\u0445\u0443": "pqswxy",
    "\u0410\u0412\u0421\u0415\u041d\u0406\u0408\u041a": "ABCEHIJK",
    "\u041c\u041e\u0420\u0405\u0422\u051c\u0425\u0423": "MOPSTWXY",
    "\u03b1\u03b3\u03b9\u03bd\u03bf\u03c1\u03c5\u03c7": "ayivopux",
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a": "ABEZHIK",
    "\u039c\u039d\u039f\u03a1\u03a4\u03a7\u03a5": "MNOPTXY",
    "\u0581\u0570\u0578\u0585\u057d": "ghnou",
}
"""Letters of Cyrillic, Greek and Armenian by row, and the Latin ones that they are drawn like."""
_DRAWN_AS = str.maketrans("".join(_ALPHABETS), "".join(_ALPHABETS.values()))


def skeleton(name: str) -> str:
    """Return what a name looks like: compatible letters made one, and look-alikes drawn in Latin ones."""
    return name if name.isascii() else normalize("NFKC", name).translate(_DRAWN_AS)


def find_confusable(names: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Yield the names that look like an earlier one: the name, the earlier one, and the first letters that differ."""
    first: dict[str, str] = {}
    for name in names:
        earlier = first.setdefault(skeleton(name), name)
        if earlier != name:
            yield name, earlier, _difference(name, earlier)


def _difference(one: str, other: str) -> str:
    pairs = ((a, b) for a, b in zip(one, other, strict=False) if a != b)
    a, b = next(pairs, (one[-1], other[-1]))
    return f"{_described(a)} for {_described(b)}"


def _described(letter: str) -> str:
    return name_of(letter, f"U+{ord(letter):04X}").lower()
