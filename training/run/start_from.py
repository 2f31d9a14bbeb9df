"""Begin a training with another net's weights: whatever fits, and RRDB's first layer made to fit another scale."""

import logging
from collections.abc import Mapping
from math import isqrt

from einops import reduce, repeat
from torch import Tensor, nn

from ...arch.rrdb import RRDB

logger = logging.getLogger("senga")

FIRST = "conv_first.weight"


def take_over(net: nn.Module, found: Mapping[str, Tensor], path: str) -> None:
    """Give a net another's tensors wherever name and shape agree: its features for other tags, its trunk for another
    scale. `path` is only named.
    """
    found = dict(found)
    if isinstance(net, RRDB) and FIRST in found:
        found[FIRST] = other_blocks(found[FIRST], net.config.channels, net.config.unshuffle)
    own = net.state_dict()
    fitting = {key: value for key, value in found.items() if key in own and own[key].shape == value.shape}
    net.load_state_dict(fitting, strict=False)
    logger.info("took over %d of %d tensors from %s", len(fitting), len(own), path)


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
