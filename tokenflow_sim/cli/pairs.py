"""Options of the form ``name=value,name=value``."""

from __future__ import annotations

from collections.abc import Sequence

from tokenflow_sim.errors import Fault, InputError


def text_pairs(texts: Sequence[str] | None, option: str) -> dict[str, str] | None:
    """Split pairs; an option may be repeated, and holds one pair or several with commas between.

    Parameters
    ----------
    texts : sequence of str or None
        What the option was given, in order.
    option : str
        Its name, for the message.

    Returns
    -------
    dict or None
        Values by name; None where the option was not given.

    Raises
    ------
    InputError
        If a pair lacks a name or a value, or a name is given twice.
    """
    if not texts:
        return None
    faults: list[Fault] = []
    found: dict[str, str] = {}
    for pair in (part for text in texts for part in text.split(",")):
        name, _, value = (side.strip() for side in pair.rpartition("="))
        if not name or not value:
            faults.append(Fault("give a name and a value, e.g. name=value", f"{option} {pair}"))
        elif name in found:
            faults.append(Fault("this name is given more than once", f"{option} {pair}"))
        else:
            found[name] = value
    if faults:
        raise InputError(faults, "the command line")
    return found


def number_pairs(texts: Sequence[str] | None, option: str) -> dict[str, float] | None:
    """Split pairs whose values are numbers.

    Raises
    ------
    InputError
        If a pair lacks a name, or its value is no number.
    """
    found = text_pairs(texts, option)
    if found is None:
        return None
    numbers: dict[str, float] = {}
    faults: list[Fault] = []
    for name, text in found.items():
        try:
            numbers[name] = float(text)
        except ValueError:
            faults.append(Fault(f"must be a number; found {text!r}", f"{option} {name}={text}"))
    if faults:
        raise InputError(faults, "the command line")
    return numbers
