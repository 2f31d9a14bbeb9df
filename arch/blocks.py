"""Shared by several nets: whether there are weights to draw, SELU's initialisation, the full-precision last layer."""

import math

import torch
from torch import Tensor, nn


def without_values(net: nn.Module) -> bool:
    """Whether a net is built for weights from a file (on the device meta): it is not initialised then.

    To draw numbers or to multiply there, torch imports its compiler, which takes longer than torch itself.
    """
    return any(parameter.is_meta for parameter in net.parameters())


def lecun_normal_(net: nn.Module) -> None:
    """Weights from N(0, 1 / fan_in), biases 0: SELU then keeps its activations at unit variance.

    Klambauer et al. 2017. With N(0, 1 / numel), as in yu45020/Waifu2x, features fade from 0.055 to 5e-11 over twelve
    layers, and training stalls.
    """
    if without_values(net):
        return
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            fan_in = module.weight[0].numel()
            nn.init.normal_(module.weight, std=1 / math.sqrt(fan_in))
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def last_layer(layer: nn.Module, x: Tensor) -> Tensor:
    """Run the layer that makes the picture in the precision of its weights, even under autocast.

    bfloat16 has 8 bits of mantissa: between 0.5 and 1 it cannot separate neighbouring 8-bit levels, and skies would
    band. The last convolution is under 2 % of the arithmetic, so full precision costs next to nothing.
    """
    x = x.to(next(layer.parameters()).dtype)
    if not torch.is_autocast_enabled(x.device.type):  # some devices (DirectML) have no autocast to turn off
        return layer(x)
    with torch.autocast(x.device.type, enabled=False):
        return layer(x)
