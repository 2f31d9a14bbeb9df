"""What belongs together in chains: a like b and b like c are one group."""

from collections.abc import Iterable


def first_of_groups(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """For each of the numbers 0 to `count` - 1 the least one of its group, which the pairs link."""
    first = list(range(count))

    def find(i: int) -> int:
        while first[i] != i:
            first[i] = first[first[i]]
            i = first[i]
        return i

    for pair in pairs:
        a, b = sorted(map(find, pair))
        first[b] = a
    return [find(i) for i in range(count)]
