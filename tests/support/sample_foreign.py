"""Upscalers of other projects, small and with random weights, in the layouts that their files have."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from senga.arch.borrowed import borrow
from torch import nn


def _net(architecture: str, name: str = "", **hyperparameters: Any) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        module = getattr(borrow("spandrel").architectures, architecture)
        return getattr(module, name or architecture)(**hyperparameters)

    return build


_ATTENTION = {"img_size": 16, "embed_dim": 32, "num_heads": [2, 2], "mlp_ratio": 2.0, "upsampler": "pixelshuffle"}

# file name: (architecture as `senga models` shows it, scale, what builds it)
FOREIGN: dict[str, tuple[str, int, Callable[[], nn.Module]]] = {
    "esrgan_plus.pth": ("spandrel/ESRGAN", 4, _net("ESRGAN", num_filters=8, num_blocks=1, scale=4, plus=True)),
    "compact.pth": ("compact", 2, _net("Compact", num_feat=8, num_conv=2, upscale=2)),
    "span.safetensors": (
        "spandrel/SPAN",
        2,
        _net("SPAN", num_in_ch=3, num_out_ch=3, feature_channels=8, upscale=2),
    ),
    "dat.pth": (
        "spandrel/DAT",
        2,
        _net(
            "DAT",
            img_size=16,
            embed_dim=16,
            split_size=[4, 8],
            depth=[2],
            num_heads=[2],
            expansion_factor=2.0,
            upscale=2,
        ),
    ),
    "swinir.pth": (
        "spandrel/SwinIR",
        2,
        _net("SwinIR", **_ATTENTION, depths=[2, 2], window_size=8, upscale=2),
    ),
    "hat.pth": ("spandrel/HAT", 2, _net("HAT", **_ATTENTION, depths=(2, 2), window_size=8, upscale=2)),
    "omnisr.pth": ("spandrel/OmniSR", 2, _net("OmniSR", num_feat=8, window_size=8, up_scale=2)),
    "plksr.safetensors": (
        "spandrel/PLKSR",
        2,
        _net("PLKSR", dim=8, n_blocks=2, upscaling_factor=2, kernel_size=9, split_ratio=0.25),
    ),
    "scunet.pth": ("spandrel/SCUNet", 1, _net("SCUNet", config=[1, 0, 0, 1, 0, 0, 1], dim=64)),
    "realcugan.pth": ("spandrel/RealCUGAN", 2, _net("RealCUGAN", "UpCunet2x")),
    "swin2sr.pth": (
        "spandrel/Swin2SR",
        2,
        _net("Swin2SR", **_ATTENTION, depths=[2, 2], window_size=8, upscale=2),
    ),
    "grl.pth": (
        "spandrel/GRL",
        1,
        _net(
            "GRL",
            embed_dim=16,
            depths=[2],
            num_heads_window=[2],
            num_heads_stripe=[2],
            anchor_window_down_factor=4,
            stripe_shift=True,
            mlp_ratio=2.0,
        ),
    ),
}


def write_foreign(folder: Path, name: str) -> Path:
    """The file of that name, its network seeded so that its output depends visibly on the whole of its input."""
    from safetensors.torch import save_file

    torch.manual_seed(3)
    net = FOREIGN[name][2]().eval()
    _spread(net)
    state = {key: value.clone().contiguous() for key, value in net.state_dict().items()}
    path = folder / name
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save({"params": state}, path)
    return path


@torch.no_grad()
def _spread(net: nn.Module) -> None:
    """Have attention matter, and outputs spread over 0 to 1: differences would be lost in the clamp."""
    for module in net.modules():
        if isinstance(module, nn.Linear):
            module.weight.mul_(4)  # from the 0.02 that transformers begin with
    last = [module for module in net.modules() if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)][-1]
    picture = torch.rand(1, 3, 48, 48)
    for _ in range(2):  # some nets add a constant or the picture behind it
        out = net(picture)
        gain = min(0.2 / float(out.std()), 100.0)
        last.weight.mul_(gain)
        if last.bias is not None:
            last.bias.mul_(gain).add_(0.5 - float(net(picture).mean()))
