"""The feature ("perceptual") loss: pictures are compared by what a network sees in them.

The network is a file on the disk; nothing is downloaded. Johnson et al. 2016, arXiv:1603.08155.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ....arch import SengaError, load_model, read_state_dict

# Real-ESRGAN's, for the last convolution of each block before its ReLU: conv1_2, 2_2, 3_4, 4_4, 5_4 of VGG19.
VGG_WEIGHTS = (0.1, 0.1, 1.0, 1.0, 1.0)
PROBE = 64  # side of the picture that shows where a network halves its resolution

Layers = list[tuple[str, nn.Module]]


@dataclass(frozen=True)
class Network:
    layers: Layers  # names and modules, in the order that they run in
    weights: dict[str, float]  # layer -> weight, unless the caller knows better
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)  # taken off the picture; ImageNet's
    std: tuple[float, ...] = (0.229, 0.224, 0.225)  # divided by afterwards
    order: str = "rgb"  # or "bgr": of the network's input; mean and std are in RGB order all the same


class FeatureLoss:
    """Weighted sum of the mean absolute differences between two pictures' features.

    Args:
        path: either a VGG, plain or truncated (torchvision's keys `features.N.weight`; .safetensors, .pth, .pt), or
            a tagger of ours (.safetensors).
        layers: layer -> weight. A VGG's are `conv1_1`, `relu1_1`, ...; default: the last convolution of each block,
            before its ReLU, weighted as Real-ESRGAN does (Wang et al. 2021, arXiv:2107.10833). A tagger's are its
            blocks, `0`, `1`, ...; default: the last at each resolution, each with weight 1.

    Raises:
        SengaError: the file is missing, damaged or holds no such network, or a layer is unknown.
    """

    def __init__(self, path: Path, layers: Mapping[str, float] | None = None) -> None:
        network = read_network(path)
        self.weights = dict(network.weights if layers is None else layers)
        names = [name for name, _ in network.layers]
        for name in self.weights:
            if name not in names:
                near = difflib.get_close_matches(name, names, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(names)}"
                raise SengaError(f"{path.name}: has no layer {name!r}; {hint}")
        last = max((names.index(name) for name in self.weights), default=-1)
        self.names = names[: last + 1]
        self.layers = nn.ModuleList(layer for _, layer in network.layers[: last + 1]).requires_grad_(False).eval()
        self.mean = torch.tensor(network.mean).view(1, 3, 1, 1)
        self.std = torch.tensor(network.std).view(1, 3, 1, 1)
        self.order = network.order

    def features(self, picture: Tensor) -> dict[str, Tensor]:
        """(B, 3, H, W) in [0, 1] -> the weighted layers' outputs, float32, by name."""
        found = {}
        x = (picture - self.mean) / self.std
        if self.order == "bgr":
            x = x.flip(1)
        for name, layer in zip(self.names, self.layers, strict=True):
            if isinstance(layer, nn.MaxPool2d) and min(x.shape[-2:]) < 2:
                side = min(picture.shape[-2:])
                raise SengaError(
                    f"feature: the patch has a side of {side} pixels, too few for {name}: raise data.patch"
                )
            x = layer(x)
            if name in self.weights:
                found[name] = x.float()
        return found

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] each -> scalar. The network moves to the pictures' device by itself."""
        if self.mean.device != prediction.device:
            self.layers.to(prediction.device)
            self.mean, self.std = self.mean.to(prediction.device), self.std.to(prediction.device)
        with torch.no_grad():
            expected = self.features(target)
        found = self.features(prediction)
        terms = [weight * F.l1_loss(found[name], expected[name]) for name, weight in self.weights.items()]
        return torch.stack(terms).sum()


def read_network(path: Path) -> Network:
    """The network of a VGG's or a tagger's file.

    Raises:
        SengaError: as `FeatureLoss`.
    """
    state = read_state_dict(path)
    if state.get("features.0.weight", torch.empty(0)).ndim == 4:
        try:
            layers = vgg_layers(state)
        except SengaError as error:
            raise SengaError(f"{path.name}: {error}") from error
        blocks = {name.split("_")[0]: name for name, layer in layers if isinstance(layer, nn.Conv2d)}
        return Network(layers, dict(zip(blocks.values(), VGG_WEIGHTS, strict=False)))
    return _tagger(path)


def vgg_layers(state: Mapping[str, Tensor]) -> Layers:
    """VGG's convolutions, each with its ReLU, and the poolings between its blocks (Simonyan and Zisserman 2014).

    torchvision numbers the layers: a convolution and its ReLU take two numbers, a pooling one more, so the gaps between
    the convolutions' numbers tell where the poolings are.

    Args:
        state: tensors by torchvision's names; others than `features.N.weight` and `.bias` are passed over.

    Raises:
        SengaError: the tensors are not those of a VGG without batch normalisation.
    """
    expected = "expected a VGG without batch normalisation, under torchvision's names"
    numbers = sorted(int(m[1]) for key in state if (m := re.fullmatch(r"features\.(\d+)\.weight", key)))
    layers: Layers = []
    channels, block, place = 3, 1, 0
    for i, number in enumerate(numbers):
        gap = number - numbers[i - 1] if i else 2
        kernel, bias = state[f"features.{number}.weight"], state.get(f"features.{number}.bias")
        if gap not in (2, 3) or kernel.shape[1:] != (channels, 3, 3) or bias is None or bias.shape != kernel.shape[:1]:
            shape = tuple(kernel.shape)
            raise SengaError(f"features.{number} is {shape}, {gap} places on, after {channels} channels; {expected}")
        if gap == 3:
            layers.append((f"pool{block}", nn.MaxPool2d(2)))
            block, place = block + 1, 0
        place += 1
        channels = len(kernel)
        convolution = nn.Conv2d(kernel.shape[1], channels, 3, padding=1, device="meta")
        convolution.load_state_dict({"weight": kernel.float(), "bias": bias.float()}, assign=True)
        # Never in place: the features before the ReLU are what is compared.
        layers += [(f"conv{block}_{place}", convolution), (f"relu{block}_{place}", nn.ReLU())]
    return layers


def _tagger(path: Path) -> Network:
    """The blocks of a tagger of ours."""
    model = load_model(path)
    blocks = getattr(model.model, "features", None)
    preprocessing = getattr(model, "preprocessing", None)
    if not isinstance(blocks, nn.Sequential) or preprocessing is None:
        found = model.header.architecture
        raise SengaError(f"{path.name}: holds {found}, which makes no features; expected a tagger or a VGG")
    layers: Layers = [(str(i), block) for i, block in enumerate(blocks)]
    sides, x = [], torch.zeros(1, 3, PROBE, PROBE)
    with torch.no_grad():
        for block in blocks:
            x = block(x)
            sides.append(x.shape[-1])
    last = {side: str(i) for i, side in enumerate(sides)}
    default = dict.fromkeys(last.values(), 1.0)
    return Network(layers, default, preprocessing.mean, preprocessing.std, preprocessing.order)
