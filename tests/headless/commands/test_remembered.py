"""Results of frames that are repeated are remembered, but not those of a whole animation: its memory stays flat."""

import gc
import weakref
from collections.abc import Iterator
from typing import cast

import pytest
import torch
from senga.headless.commands import upscale_work
from senga.headless.commands.batch import BatchLine
from senga.headless.commands.upscale_work import REMEMBERED_FRAMES, Network, Shown, upscaled_frames

MORE = 40  # frames after those that are remembered


class Line:
    """In place of the line that counts."""

    def next_frame(self) -> None: ...


def frames(numbers: list[int]) -> Iterator[Shown]:
    for number in numbers:
        yield Shown(str(number).encode(), torch.full((4, 4, 3), number / 1000))


def run(numbers: list[int]) -> tuple[int, int]:
    """How often the network is called, and the most results that are held at a time."""
    calls = most = 0

    def network(image: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return image

    alive: dict[int, weakref.ref[object]] = {}
    for _, levels in upscaled_frames(frames(numbers), cast(Network, network), cast(BatchLine, Line())):
        alive[id(levels)] = weakref.ref(levels)
        most = max(most, sum(ref() is not None for ref in alive.values()))
    gc.collect()
    return calls, most


def test_a_long_animation_holds_no_more_results_than_are_remembered() -> None:
    calls, most = run(list(range(REMEMBERED_FRAMES + MORE)))
    assert calls == REMEMBERED_FRAMES + MORE
    assert REMEMBERED_FRAMES <= most <= REMEMBERED_FRAMES + 2  # the one made, and the one that the caller has


def test_what_came_within_the_remembered_frames_is_not_made_again() -> None:
    cycle = list(range(REMEMBERED_FRAMES))
    assert run(cycle * 2)[0] == len(cycle)
    longer = [*cycle, REMEMBERED_FRAMES]
    assert run(longer * 2)[0] == 2 * len(longer)


def test_large_results_are_limited_by_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upscale_work, "REMEMBERED", 3 * 4 * 4 * 3)  # three results
    assert run([*range(3)] * 2)[0] == 3
    assert run([*range(4)] * 2)[0] == 8
