"""Whoever upscales in the quality benchmark: filters, peers and our own files, all as functions of an 8-bit picture.

Outputs and scores are kept on disk, since neither changes: an output's key is made of who the contender is and of the
picture that it got, a score's of that and the picture that it was compared with.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch
from numpy.typing import NDArray
from PIL import Image
from senga.arch import SengaError, load_model, read_header, upscale
from senga.arch.files.atomic import replacing

from . import peer_ncnn
from .quality_metrics import METRICS, measure
from .quality_pictures import Pair

logger = logging.getLogger("senga")

Picture = NDArray[np.uint8]  # (H, W, 3)
ROOT = Path(__file__).resolve().parent.parent
SCORES = 1  # raise it when a metric changes: scores kept from before are then measured anew


@dataclass(frozen=True)
class Contender:
    name: str
    side: str  # "filter", "peer" or "ours"
    scale: int
    identity: str  # changes whenever its outputs could
    what: str  # a filter's or a peer's name, or a file's path
    precision: str = ""  # ours only


@dataclass(frozen=True)
class Score:
    """What one contender did to one picture."""

    name: str
    side: str
    scale: int
    condition: str
    picture: str
    group: str
    values: dict[str, float]  # column -> value


def filters(scale: int) -> list[Contender]:
    """Pillow's bicubic and Lanczos; at scale 1 the picture as it came."""
    names = ("bicubic", "lanczos") if scale > 1 else ("untouched",)
    return [Contender(name, "filter", scale, f"pillow {PIL.__version__} {name}", name) for name in names]


def peers(patterns: list[str], scale: int) -> list[Contender]:
    """Peers of that scale. Those not named are left out, with a message, if their package is not installed."""
    named = {peer.name for peer in peer_ncnn.chosen([p for p in patterns if p not in ("usual", "all")])}
    found, missing = [], set()
    for peer in peer_ncnn.chosen(patterns):
        if peer.scale != scale:
            continue
        try:
            found.append(Contender(peer.name, "peer", scale, peer_ncnn.identity(peer), peer.name))
        except SengaError as error:
            if peer.name in named:
                raise
            missing.add(str(error))
    for sentence in sorted(missing):
        logger.warning("left out: %s", sentence)
    return found


def ours(paths: Sequence[Path], precision: str) -> list[Contender]:
    """Upscalers in files of ours, named by the file, or by the path where two files have one name.

    Raises:
        SengaError: a file is not an upscaler.
    """
    code = hashlib.sha256()
    for path in sorted((ROOT / "arch").rglob("*.py")):
        code.update(path.read_bytes())
    found = []
    for path in paths:
        scale = read_header(path).scale
        if scale is None:
            raise SengaError(f"{path}: is not an upscaler; name files that upscale")
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        identity = f"{sha256} {precision} {code.hexdigest()}"
        alone = sum(other.stem == path.stem for other in paths) == 1
        found.append(Contender(path.stem if alone else str(path), "ours", scale, identity, str(path), precision))
    return found


def shipped() -> list[Path]:
    """Every upscaler in weights/."""
    return [path for path in sorted((ROOT / "weights").glob("*.safetensors")) if read_header(path).scale is not None]


def open_filter(contender: Contender) -> Callable[[Picture], Picture]:
    if contender.what == "untouched":
        return lambda picture: picture
    resampling = Image.Resampling[contender.what.upper()]

    def run(picture: Picture) -> Picture:
        height, width = (side * contender.scale for side in picture.shape[:2])
        return np.asarray(Image.fromarray(picture).resize((width, height), resampling))

    return run


def open_ours(contender: Contender) -> Callable[[Picture], Picture]:
    """Through the same function as the node."""
    model = load_model(contender.what)

    def run(picture: Picture) -> Picture:
        image = torch.from_numpy(picture.astype(np.float32) / 255)[None]
        result = upscale(model, image, precision=contender.precision)
        return (result[0] * 255).round().clamp(0, 255).byte().numpy()

    return run


OPENERS: dict[str, Callable[[Contender], Callable[[Picture], Picture]]] = {
    "filter": open_filter,
    "peer": lambda contender: peer_ncnn.open_peer(peer_ncnn.BY_NAME[contender.what]),
    "ours": open_ours,
}


class Cache:
    """Outputs (PNG) and scores (JSON) in a folder; files appear whole, so several processes may share it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, *parts: Any, suffix: str) -> Path:
        key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        return self.folder / key[:2] / (key[2:34] + suffix)

    def output(self, contender: Contender, pair: Pair) -> Path:
        return self.path(contender.identity, contender.scale, digest(pair.small), suffix=".png")

    def scores(self, contender: Contender, pair: Pair) -> Path:
        of = (contender.identity, contender.scale, digest(pair.small), digest(pair.large), SCORES)
        return self.path(*of, suffix=".json")

    @staticmethod
    def write(path: Path, save: Callable[[Path], object]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            save(temporary)


def digest(picture: Picture) -> str:
    return hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).hexdigest()


class Runner:
    """One contender; its network is loaded with the first picture whose output is not there yet."""

    def __init__(self, contender: Contender, cache: Cache) -> None:
        self.contender, self.cache = contender, cache
        self._run: Callable[[Picture], Picture] | None = None

    def output(self, pair: Pair) -> Picture:
        path = self.cache.output(self.contender, pair)
        if path.is_file():
            with Image.open(path) as image:
                return np.asarray(image)
        if self._run is None:
            self._run = OPENERS[self.contender.side](self.contender)
        result = self._run(pair.small)
        self.cache.write(path, lambda to: Image.fromarray(result).save(to, "PNG", compress_level=1))
        return result

    def score(self, pair: Pair, metrics: Iterable[str]) -> Score:
        """The borders left out are as wide as the scale."""
        c, path = self.contender, self.cache.scores(self.contender, pair)
        known: dict[str, float] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        missing = [name for name in metrics if name not in known]
        if missing:
            known |= measure(self.output(pair), pair.large, pair.scale, missing)
            self.cache.write(path, lambda to: to.write_text(json.dumps(known), encoding="utf-8"))
        return Score(c.name, c.side, c.scale, pair.condition, pair.source.name, pair.source.group, known)


def run(contender: Contender, pairs: list[Pair], metrics: list[str], cache: Path) -> list[Score]:
    """All scores of one contender: the unit of work that a process is given."""
    assert set(metrics) <= set(METRICS)
    torch.set_num_threads(1)
    runner = Runner(contender, Cache(cache))
    with torch.inference_mode():
        return [runner.score(pair, metrics) for pair in pairs]
