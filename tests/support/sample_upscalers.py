"""Small models and pictures that several tests share."""

import torch
from senga.arch import TaggerModel, UpscaleModel
from torch import Tensor

# architecture id, small hyperparameters with the real geometry's features
SMALL = {
    "espcn_7": {},
    "dcscn": {"layers": 4, "first": 24, "last": 12, "reconstruction": 8, "upsampling": 4},
    "rrdb": {"blocks": 1, "features": 8, "growth": 4},
    "compact": {"features": 8, "layers": 2},
    "drrn": {"features": 8, "units": 2, "supervised_units": (1, 2)},
}
VARIANTS = [
    ("espcn_7", {"scale": 2}),
    ("espcn_7", {"scale": 3, "selection": "replace"}),
    ("dcscn", {"scale": 2}),
    ("dcscn", {"scale": 4, "activation": "prelu", "residual": "bilinear"}),
    ("rrdb", {"scale": 4}),
    ("rrdb", {"scale": 2}),
    ("rrdb", {"scale": 1}),
    ("rrdb", {"scale": 1, "plain": True}),
    ("rrdb", {"scale": 2, "plain": True}),
    ("rrdb", {"scale": 8, "plain": True}),
    ("compact", {"scale": 1}),
    ("compact", {"scale": 2, "activation": "relu"}),
    ("compact", {"scale": 3, "activation": "leakyrelu"}),
    ("compact", {"scale": 4}),
    ("drrn", {"scale": 1}),
    ("drrn", {"scale": 2}),
    ("drrn", {"scale": 3, "residual": "bilinear", "activation": "relu"}),
    ("drrn", {"scale": 4, "residual": "nearest", "at": "hr", "blocks": 1}),
    ("drrn", {"scale": 2, "at": "hr"}),
]
VARIANT_IDS = ["-".join([name, *map(str, extra.values())]) for name, extra in VARIANTS]


def small_model(architecture: str, **hyperparameters: object) -> UpscaleModel:
    """A seeded model, small where the architecture allows, whose output depends visibly on its whole input."""
    torch.manual_seed(7)
    return UpscaleModel.create(architecture, **{**SMALL[architecture], **hyperparameters})


def state_of(model: UpscaleModel | TaggerModel) -> dict[str, Tensor]:
    """Copies of a model's tensors, as files hold them."""
    return {key: value.contiguous().clone() for key, value in model.model.state_dict().items()}


def picture(height: int, width: int, channels: int = 3, frames: int = 1, seed: int = 0) -> Tensor:
    """(frames, height, width, channels) float32 in [0, 1]."""
    return torch.rand((frames, height, width, channels), generator=torch.Generator().manual_seed(seed))


class Recorder:
    """Stands in for an UpscaleModel: nearest-neighbour by `scale`, and remembers each call's input."""

    def __init__(self, scale: int = 2) -> None:
        self.scale = scale
        self.model = torch.nn.Conv2d(3, 3, 1)
        self.input_channels = self.output_channels = 3
        self.calls: list[Tensor] = []
        self.moved_to: list[str] = []

    def to(self, device: str) -> "Recorder":
        self.moved_to.append(device)
        return self

    def __call__(self, x: Tensor) -> Tensor:
        self.calls.append(x)
        return x.repeat_interleave(self.scale, 2).repeat_interleave(self.scale, 3)
