"""Convolutions over joined maps as sums of convolutions over the maps, for engines that keep a copy of what is joined.

A dense block joins its maps anew for each convolution: 64, 96, 128, 160, 192 channels. An engine that reserves memory
for pictures of any size lets values of all sizes share their places, so that each place gets as large as the largest.
The sum needs no joined copy; it is added up where the first part's result is.
"""

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from .folding import Convolution
from .recording import INPUT, Operation, Recording, Value


def split(recording: Recording, channels: int, most: int) -> Recording:
    """The same network, with no convolution over more joined channels than `most`, where its parts allow that.

    Args:
        channels: of the picture.
        most: parts of fewer channels together stay joined.
    """
    widths = _widths(recording, channels)
    steps: list[Operation] = []
    moved = {INPUT.place: INPUT}  # place in the recording -> value here
    joined: dict[tuple[int, ...], Value] = {}

    def add(step: Operation) -> Value:
        steps.append(step)
        return Value(len(steps) - 1)

    def join(places: Sequence[int]) -> Value:
        if len(places) == 1:
            return moved[places[0]]
        key = tuple(places)
        if key not in joined:
            joined[key] = add(Operation(torch.cat, ([moved[place] for place in places],), {"dim": 1}))
        return joined[key]

    for place, step in enumerate(recording.operations):
        if _joins(step):
            # Made when something needs all of it; a convolution may need less.
            continue
        conv = Convolution.of(step)
        if conv is None or conv.groups != 1:
            whole = {use.place: join(_parts(recording, use.place)) for use in step.uses}
            moved[place] = add(step.renamed(whole))
            continue
        total: Value | None = None
        begin = 0
        for group in _grouped(_parts(recording, conv.x.place), widths, most):
            end = begin + sum(widths[part] for part in group)
            part = conv._replace(x=join(group), weight=conv.weight[:, begin:end], bias=None if total else conv.bias)
            y = add(Operation(F.conv2d, tuple(part)))
            total = y if total is None else add(Operation(torch.Tensor.add, (total, y)))
            begin = end
        assert total is not None
        moved[place] = total
    last = len(recording.operations) - 1
    if last not in moved:  # the last operation gives the result
        add(Operation(torch.cat, ([moved[part] for part in _parts(recording, last)],), {"dim": 1}))
    return Recording(steps)


def _joins(step: Operation) -> bool:
    """Whether it joins channels."""
    return step.function is torch.cat and (step.options.get("dim") == 1 or step.arguments[1:] == (1,))


def _parts(recording: Recording, place: int) -> list[int]:
    """The places of the values that are joined there: of a value by itself, its own."""
    if place == INPUT.place or not _joins(recording.operations[place]):
        return [place]
    return [part for use in recording.operations[place].uses for part in _parts(recording, use.place)]


def _grouped(places: Sequence[int], widths: dict[int, int], most: int) -> list[list[int]]:
    """Neighbours together as long as they have at most `most` channels."""
    groups: list[list[int]] = []
    width = 0
    for place in places:
        if groups and width + widths[place] <= most:
            groups[-1].append(place)
            width += widths[place]
        else:
            groups.append([place])
            width = widths[place]
    return groups


def _widths(recording: Recording, channels: int) -> dict[int, int]:
    """The channels of each value."""
    widths = {INPUT.place: channels}
    for place, step in enumerate(recording.operations):
        conv = Convolution.of(step)
        if conv is not None:
            widths[place] = conv.weight.shape[0]
        elif step.function is F.conv_transpose2d:
            widths[place] = step.arguments[1].shape[1]
        elif _joins(step):
            widths[place] = sum(widths[use.place] for use in step.uses)
        elif step.function in (F.pixel_shuffle, F.pixel_unshuffle):
            square = step.arguments[1] ** 2
            before = widths[step.uses[0].place]
            widths[place] = before // square if step.function is F.pixel_shuffle else before * square
        else:
            widths[place] = widths[step.uses[0].place]
    return widths
