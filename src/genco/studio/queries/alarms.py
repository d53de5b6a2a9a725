"""What needs somebody's attention now."""

from __future__ import annotations

from dataclasses import dataclass

from genco.serving import alarms
from genco.studio.studio import Studio

MANY_WAITING = 1_000


@dataclass(frozen=True)
class Alarm:
    """name: for programs · message: what is wrong and what to do."""

    name: str
    message: str


def open_alarms(studio: Studio) -> tuple[Alarm, ...]:
    """Alarms that hold now, and those that wait in the store until somebody closes them."""
    service = studio.service
    found = []
    failures = service.metrics.registry.get_sample_value("genco_learn_failures_total") or 0
    if failures:
        told = f"{failures:.0f} rounds of learning failed since the start; the served model is as it was. See the log."
        found.append(Alarm("learning_failed", told))
    if not service.live.learning:
        found.append(Alarm("learning_rests", "Learning rests since a rollback. Promote a version to go on."))
    waiting = service.writer.num_waiting
    if waiting > MANY_WAITING:
        found.append(Alarm("store_slow", f"{waiting:,} writes wait for the store: is it slow, or away?"))
    with service.engine.connect() as connection:
        found += [Alarm(alarm.name, _in_words(alarm)) for alarm in alarms.open_alarms(connection)]
    return tuple(found)


def _in_words(alarm: alarms.Alarm) -> str:
    figures = ", ".join(f"{name} {value}" for name, value in alarm.detail.items())
    return f"{alarm.name.replace('_', ' ').capitalize()}: {figures}." if figures else f"{alarm.name}."
