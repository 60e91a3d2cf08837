"""Whether it pays to look for what was met before."""

from __future__ import annotations

# How many may be looked up without one found, for one that is.
_IN_VAIN = 256


class LookUps:
    """Counts what was looked up, and how much of it was found.

    Learners that choose among few offers bring the same market again and again; with noise one hardly ever comes
    again, and making a key for it costs more than it saves.
    """

    def __init__(self) -> None:
        self._asked = self._found = 0

    @property
    def are_in_vain(self) -> bool:
        """Whether too little was found for the next look-up to pay."""
        return self._asked > _IN_VAIN * (1 + self._found)

    def count(self, found: bool) -> None:
        """Count one."""
        self._asked += 1
        self._found += found
