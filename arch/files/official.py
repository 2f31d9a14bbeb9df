"""Our networks under the key names of the code that they come from, for tools that read those alone."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ..errors import SengaError
from ..foreign_taggers import recognise as recognise_tagger
from ..foreign_upscalers import recognise
from ..registry import architecture, make_config
from ..tagger import TaggerModel
from ..upscaler import UpscaleModel


@dataclass(frozen=True)
class Official:
    code: str  # whose names these are
    # Ours, as a regular expression -> theirs; none: the names are the same.
    renames: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = ()
    wrapper: str = ""  # the key under which that code looks for the tensors in a .pth


OFFICIAL = {
    "rrdb": Official("Real-ESRGAN", wrapper="params_ema"),
    "compact": Official("Real-ESRGAN", wrapper="params_ema"),
    "espcn_7": Official("yu45020/Waifu2x"),
    "dcscn": Official(
        "yu45020/Waifu2x",
        (
            (r"^features\.(\d+)\.", lambda found: f"feature_block.Feature {int(found[1]) + 1}."),  # theirs count from 1
            (r"^a\.", "reconstruction_block.A."),
            (r"^b\.", "reconstruction_block.B."),
            (r"^up\.", "up_sampler.Conv2d_block."),
            (r"^picture\.", "up_sampler.Conv2d."),
            (r"^(feature_block.*|reconstruction_block.*|up_sampler\.Conv2d_block)\.0\.", r"\1.Conv2d."),
            (r"^(feature_block.*|reconstruction_block.*|up_sampler\.Conv2d_block)\.1\.", r"\1.Activation."),
        ),
    ),
    "mobilenetv3_large": Official("torchvision"),
    "mobilenetv3_small": Official("torchvision"),
}


def official_state(model: UpscaleModel | TaggerModel) -> tuple[Official, dict[str, Tensor]]:
    """(whose, tensors under their names). Raises SengaError for a network that has no other code."""
    official = OFFICIAL.get(model.header.architecture)
    if official is None:
        raise SengaError(
            f"{model.header.architecture} has no official key names; those of {', '.join(OFFICIAL)} are known"
        )
    state = {}
    for key, value in model.model.state_dict().items():
        for pattern, replacement in official.renames:
            key = re.sub(pattern, replacement, key)
        state[key] = value.detach().cpu().contiguous()
    return official, state


def lost_settings(model: UpscaleModel | TaggerModel, state: dict[str, Tensor]) -> list[str]:
    """`name=value` of what the official code would not know from the tensors, and would take to be otherwise."""
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    if isinstance(model, TaggerModel):
        name, found = recognise_tagger(shapes)
    else:
        layout, found = recognise(shapes)
        name = layout.architecture
    config, taken = model.header.config(), make_config(architecture(name), found)
    ignored = ("dropout",)  # of training alone
    return [
        f"{key}={value}" for key, value in vars(config).items() if key not in ignored and getattr(taken, key) != value
    ]
