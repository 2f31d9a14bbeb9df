"""Begin a training with another net's weights: whatever fits, and RRDB's first layer made to fit another scale."""

import logging
from collections.abc import Collection, Mapping
from math import isqrt

from einops import reduce, repeat
from torch import Tensor, nn

from ...arch import SengaError
from ...arch.rrdb import RRDB

logger = logging.getLogger("senga")

FIRST = "conv_first.weight"
NAMED = 3  # tensors that a warning names


def take_over(net: nn.Module, found: Mapping[str, Tensor], path: str) -> None:
    """Give a net another's tensors wherever name and shape agree: its features for other tags, its trunk for another
    scale. `path` is only named.

    Warns of tensors of the net that the file does not have, and of those of the file that the net does not have.

    Raises:
        SengaError: no weight fits.
    """
    found = dict(found)
    if isinstance(net, RRDB) and FIRST in found:
        found[FIRST] = other_blocks(found[FIRST], net.config.channels, net.config.unshuffle)
    own = net.state_dict()
    fitting = {key: value for key, value in found.items() if key in own and own[key].shape == value.shape}
    if not any(value.ndim > 1 for value in fitting.values()):  # biases alone may agree by chance
        raise SengaError(
            f"model.start_from {path}: none of its {len(found)} tensors fits the {len(own)} of this network by name and"
            " shape; set model.architecture and model.hyperparameters to the file's (senga models --json shows them)"
        )
    net.load_state_dict(fitting, strict=False)
    logger.info("took over %d of %d tensors from %s", len(fitting), len(own), path)
    if fresh := own.keys() - fitting.keys():
        logger.warning("%s does not have %s; they start untrained", path, _some(fresh))
    if left := found.keys() - fitting.keys():
        logger.warning("%s: %s are left over: this network has no such tensors", path, _some(left))


def _some(names: Collection[str]) -> str:
    """How many tensors, and the first of them: "12 tensors (a, b, c, ...)"."""
    first = sorted(names)[:NAMED]
    return f"{len(names)} tensors ({', '.join(first)}{', ...' if len(names) > NAMED else ''})"


def other_blocks(weight: Tensor, channels: int, side: int) -> Tensor:
    """RRDB's first kernels, (n, channels * old², 3, 3), for blocks of `side` pixels instead of `old`.

    The trunk gets the input that it got for the same picture at the resolution that it knows: the means of the pixels
    of larger blocks, the pixels of smaller ones several times. So an x1 net starts as the x2 net on a picture of half
    the size, and only has to learn what is lost by that; an x4 net as the x2 net on a picture doubled pixel by pixel.
    """
    old = isqrt(weight.shape[1] // channels)
    if side >= old:
        times = side // old
        split = repeat(weight, "n (c i j) h w -> n (c i a j b) h w", c=channels, i=old, a=times, b=times)
        return split / times**2
    times = old // side
    return reduce(weight, "n (c i a j b) h w -> n (c i j) h w", "sum", c=channels, i=side, a=times, b=times)
