"""RRDB: residual-in-residual dense blocks, the generator of ESRGAN and Real-ESRGAN.

Wang et al. 2018, "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks": the trunk runs at the input's
size; each nearest-neighbour doubling is followed by a convolution: two doublings for x4, one for x2, none for x1.
Wang et al. 2021, "Real-ESRGAN", keeps two doublings for scales 2 and 1 and pixel-unshuffles the input instead. That is
cheaper, but stripes of one pixel, checkerboards and dither are constant to its trunk, and come out flat.
The keys are the official ones, so other programs read our files.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import last_layer, without_values

RESIDUAL_SCALE = 0.2  # the papers' beta: the factor of each dense block's output, and of each block of three
NEGATIVE_SLOPE = 0.2


@dataclass(frozen=True)
class RRDBConfig:
    scale: int = 4  # output pixels per input pixel and side: 1, 2, 4; in the plain form also 8
    channels: int = 3  # colour channels in and out
    blocks: int = 6  # residual-in-residual dense blocks (x4plus has 23, x4plus_anime_6B has 6)
    features: int = 64  # nf: channels of the trunk
    growth: int = 32  # gc: channels that each convolution of a dense block adds
    # True: ESRGAN's form at every scale, log2(scale) doublings and no unshuffling. False: Real-ESRGAN's, always two
    # doublings, the input unshuffled by 4 / scale. At scale 4 the two differ only in their initial weights.
    plain: bool = False

    def __post_init__(self) -> None:
        if self.scale not in (1, 2, 4) and not (self.plain and self.scale == 8):
            raise ValueError(f"scale is {self.scale}; RRDB supports 1, 2 and 4, and 8 in its plain form")
        if min(self.blocks, self.features, self.growth, self.channels) < 1:
            raise ValueError(f"blocks, features, growth and channels must be positive; found {self}")

    @property
    def unshuffle(self) -> int:
        """Side of the pixel blocks that the trunk sees as one position."""
        return 1 if self.plain else 4 // self.scale

    @property
    def doublings(self) -> int:
        """Nearest-neighbour enlargements by two, each followed by a convolution `conv_up1`, `conv_up2`, ..."""
        return (self.scale * self.unshuffle).bit_length() - 1

    @property
    def radius(self) -> int:
        """How far, in input pixels, an input pixel can change the output.

        15 for each block, 2 for conv_first and conv_body, and 2 for the tail with any number of doublings.
        The default halo, measured with trained weights, is in registry.py.
        """
        return (15 * self.blocks + 4) * self.unshuffle

    @property
    def alignment(self) -> int:
        return self.unshuffle

    @property
    def border(self) -> int:
        """Pixels to repeat around an input.

        With zeros beyond the edge, corners of flat pictures from senga_rrdb_6b_x2 were off by 55 levels; with this
        border by 0.9.
        """
        return 4 * self.unshuffle

    @property
    def floats(self) -> int:
        """Activations alive at the peak, per input pixel: the tail's, or a dense block's."""
        return 3 * self.features * self.scale**2 + 2 * (self.features + 4 * self.growth) // self.unshuffle**2

    @property
    def trunk_floats(self) -> int:
        """The same before the first doubling."""
        return 2 * (self.features + 4 * self.growth) // self.unshuffle**2


class ResidualDenseBlock(nn.Module):
    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        for i in range(1, 5):
            self.add_module(f"conv{i}", nn.Conv2d(features + (i - 1) * growth, growth, 3, padding=1))
        self.conv5 = nn.Conv2d(features + 4 * growth, features, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        seen = x
        for i in range(1, 5):
            new = F.leaky_relu(self.get_submodule(f"conv{i}")(seen), NEGATIVE_SLOPE)
            seen = torch.cat((seen, new), dim=1)  # (B, features + i * growth, H, W)
        return x + RESIDUAL_SCALE * self.conv5(seen)


class RRDBlock(nn.Module):
    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.rdb1 = ResidualDenseBlock(features, growth)
        self.rdb2 = ResidualDenseBlock(features, growth)
        self.rdb3 = ResidualDenseBlock(features, growth)

    def forward(self, x: Tensor) -> Tensor:
        return x + RESIDUAL_SCALE * self.rdb3(self.rdb2(self.rdb1(x)))


class RRDB(nn.Module):
    """(B, channels, H, W) in [0, 1] -> (B, channels, scale * H, scale * W), not clamped.

    H and W are multiples of `config.unshuffle`; `UpscaleModel` pads other sizes.
    """

    def __init__(self, config: RRDBConfig) -> None:
        super().__init__()
        self.config = config
        n = config.features
        self.conv_first = nn.Conv2d(config.channels * config.unshuffle**2, n, 3, padding=1)
        self.body = nn.Sequential(*(RRDBlock(n, config.growth) for _ in range(config.blocks)))
        self.conv_body = nn.Conv2d(n, n, 3, padding=1)
        for i in range(config.doublings):
            self.add_module(f"conv_up{i + 1}", nn.Conv2d(n, n, 3, padding=1))
        self.conv_hr = nn.Conv2d(n, n, 3, padding=1)
        self.conv_last = nn.Conv2d(n, config.channels, 3, padding=1)
        if not without_values(self):
            self._initialise()

    def _ups(self) -> list[nn.Module]:
        return [self.get_submodule(f"conv_up{i + 1}") for i in range(self.config.doublings)]

    @torch.no_grad()
    def _initialise(self) -> None:
        """Kaiming normal, scaled by 0.1 inside the dense blocks (ESRGAN, section 3.1); the net starts as a copy.

        The first features carry the mean colour of each block of pixels to the output, so training starts with a
        picture and spends no steps on finding one in noise. The plain form starts at nearest-neighbour enlargement,
        which keeps the contrast of stripes; the other one smooths at each doubling.
        """
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=NEGATIVE_SLOPE)
                if name.startswith(("body.", "conv_body")):
                    module.weight.mul_(0.1)
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        tent = torch.tensor([0.25, 0.5, 0.25])
        smooth = tent[:, None] * tent
        straight = torch.zeros(3, 3)
        straight[1, 1] = 1.0
        enlarged = straight if self.config.plain else smooth
        cells = self.config.unshuffle**2
        self.conv_last.weight.mul_(0.02)  # the other features are still noise
        for k in range(min(self.config.channels, self.config.features)):
            self.conv_first.weight[k] = 0.0
            self.conv_first.weight[k, k * cells : (k + 1) * cells] = straight / cells
            self.conv_body.weight[k] = 0.0
            for conv, kernel in (*((up, enlarged) for up in self._ups()), (self.conv_hr, straight)):
                assert isinstance(conv, nn.Conv2d)
                conv.weight[k] = 0.0
                conv.weight[k, k] = kernel
            self.conv_last.weight[k, k] = straight

    def forward(self, x: Tensor) -> Tensor:
        x = F.pixel_unshuffle(x, self.config.unshuffle)  # (B, channels * u * u, H / u, W / u)
        x = self.conv_first(x)
        x = x + self.conv_body(self.body(x))  # (B, features, H / u, W / u)
        for up in self._ups():
            x = F.leaky_relu(up(F.interpolate(x, scale_factor=2.0, mode="nearest")), NEGATIVE_SLOPE)
        x = F.leaky_relu(self.conv_hr(x), NEGATIVE_SLOPE)  # (B, features, scale * H, scale * W)
        return last_layer(self.conv_last, x)
