"""What makes a run this run: the settings and data that a checkpoint has to agree with."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from .settings import RENAMED

QUOTED = 80  # characters of two values that a message repeats
# What a run may change when it goes on: its length, and what does not reach the weights. Whoever asks for an identity
# adds a hash of the pictures, which identifies the folder's content.
FREE = (
    "name",
    "data.pairs",
    "optim.steps",
    "optim.decay",
    "data.folder",
    "data.memory_gib",
    "data.cache_gib",
    "data.workers",
)
FREE_SECTIONS = ("run.", "val.")


def run_identity(settings: Mapping[str, Any], **others: Any) -> str:
    """What makes a run this run, as JSON of one level (`optim.ema`), so that two can be compared name by name.

    Renamed settings keep their first name in it.
    """
    return json.dumps(_kept(settings) | others, sort_keys=True)


def flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(optim.ema, value) of tables in tables."""
    for name, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _kept(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a run may not change, in one level, by their first names."""
    old_names = {new: old for old, new in RENAMED.items()}
    return {
        old_names.get(name, name): value
        for name, value in flat(settings)
        if name not in FREE and not name.startswith(FREE_SECTIONS)
    }


def differences(kept: str, expected: str, defaults: Mapping[str, Any]) -> str:
    """What sets two identities apart, in words; long values (recipes, hashes) by their name alone.

    Args:
        defaults: of the settings, as `defaults_of` gives them. An identity without a setting, which came after the run
            was begun, counts as having its default.
    """
    then, now = (_completed(json.loads(identity), defaults) for identity in (kept, expected))
    found = []
    for name in sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name)):
        a, b = json.dumps(then.get(name)), json.dumps(now.get(name))
        shown = str(RENAMED.get(name, name))
        found.append(shown + (f" was {a}, is {b}" if len(a + b) < QUOTED else ""))
    return ", ".join(found)


def _completed(identity: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    def setting(name: str) -> tuple[str, ...]:
        return tuple(name.split(".")[:2])  # `loss.weights.l1` is a part of `loss.weights`, which has one default

    there = {setting(name) for name in identity}
    return {name: value for name, value in _kept(defaults).items() if setting(name) not in there} | dict(identity)
