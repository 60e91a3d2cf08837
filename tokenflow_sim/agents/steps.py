"""Steps of a Mesa model, one after the other, without an event for each.

Mesa keeps a list of events, and makes, puts into it and takes out of it one for each call of ``model.step()``. In a
market of a node or two that takes a tenth of a period.
"""

from __future__ import annotations

import mesa

# Parts of a model that Mesa gives no public name: a version without one of them takes its own way.
_OF_MESA = ("_default_schedule", "_event_list", "_wrapped_step", "_do_step")


def only_steps_are_due(model: mesa.Model) -> bool:
    """Return whether nothing but the next step itself stands in Mesa's list of events, one period from now."""
    if not all(hasattr(model, name) for name in _OF_MESA):
        return False
    schedule = model._default_schedule
    return (
        schedule is not None
        and model.step == model._wrapped_step
        and len(model._event_list) == 1
        and schedule.next_scheduled_time == model.time + 1
    )


def play_on(model: mesa.Model) -> None:
    """Take steps as ``model.step()`` does, until the model stops or something else is to happen beside them.

    The schedule that makes the events of steps rests meanwhile, as it does within every step, and goes on from where
    this ends.

    Parameters
    ----------
    model : mesa.Model
        A model of which `only_steps_are_due`.
    """
    schedule, events = model._default_schedule, model._event_list
    schedule.pause()
    events.compact()  # without the event that the pause has cancelled, the list is empty and soon looked at
    try:
        while model.running and events.is_empty():
            model.time += 1
            model._do_step()
    finally:
        schedule.resume()
