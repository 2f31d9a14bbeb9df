"""Tags that exclude each other: of a group, a picture gets the likeliest alone."""

import re
from collections.abc import Iterable, Iterator, Sequence

Groups = tuple[tuple[str, ...], ...]

PEOPLE = ("girl", "boy", "other")


def counts_of_people(names: Iterable[str]) -> Groups:
    """The groups that follow from Danbooru's names, of those names alone that a vocabulary has.

    Two counts of one kind of people exclude each other (`1girl`, `2girls`, `6+girls`), one and several
    (`1girl`, `multiple_girls`), `solo` and more than one, `no_humans` and any count. `solo` and `no_humans` do not:
    Danbooru says both of one animal alone.
    """
    known = set(names)

    def groups() -> Iterator[list[str]]:
        for kind in PEOPLE:
            counts = sorted(name for name in known if re.fullmatch(rf"\d+\+?{kind}s?", name))
            one = [name for name in counts if name == f"1{kind}"]
            more = [name for name in counts if name not in one]
            several = [f"multiple_{kind}s"]
            yield ["no_humans", *counts]
            yield ["no_humans", *one, *several]
            yield ["solo", *more]
            yield ["solo", *several]

    found = (tuple(name for name in group if name in known) for group in groups())
    return tuple(group for group in found if len(group) > 1)


def without_losers(ranked: Sequence[str], groups: Groups) -> list[str]:
    """The names, likeliest first, without those that share a group with a likelier one that stays."""
    places: dict[str, list[int]] = {}
    for number, group in enumerate(groups):
        for name in group:
            places.setdefault(name, []).append(number)
    taken: set[int] = set()
    kept: list[str] = []
    for name in ranked:
        if taken.isdisjoint(places.get(name, ())):
            taken.update(places.get(name, ()))
            kept.append(name)
    return kept
