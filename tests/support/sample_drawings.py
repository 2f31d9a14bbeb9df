"""What the degradation tests share: a drawing made by sums alone, and what it needs to be compared bit for bit."""

import hashlib
import platform
import re
from importlib import metadata

import numpy as np
from numpy.typing import NDArray
from repository import ROOT

CONSTRAINTS = ROOT / "constraints.txt"
PINNED = ("numpy", "pillow", "av")


def drawing(height: int = 80, width: int = 96, seed: int = 0) -> NDArray[np.uint8]:
    """(height, width, 3): flat colours, black lines and a ramp, the same on every machine."""
    rng = np.random.default_rng(seed)
    picture = np.empty((height, width, 3), np.uint8)
    picture[:] = rng.integers(120, 256, 3, dtype=np.uint8)
    for _ in range(6):
        top, left = int(rng.integers(height)), int(rng.integers(width))
        picture[top : top + height // 3, left : left + width // 3] = rng.integers(0, 256, 3, dtype=np.uint8)
    y, x = np.arange(height)[:, None], np.arange(width)[None, :]
    picture[(x + 2 * y) % 29 < 2] = 0
    picture[(3 * x - y) % 41 < 1] = 255
    picture[:, : width // 8] = np.broadcast_to((y * 255 // height).astype(np.uint8)[..., None], (height, width // 8, 3))
    return picture


def digest(picture: NDArray[np.uint8]) -> str:
    assert picture.dtype == np.uint8
    return hashlib.sha256(np.ascontiguousarray(picture).tobytes()).hexdigest()[:16]


def why_bits_may_differ() -> str:
    """Empty where golden bits are promised: the versions of constraints.txt, on the kind of machine CI has."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return f"golden bits are recorded on Linux x86_64, this is {platform.system()} {platform.machine()}"
    wanted = dict(re.findall(r"^([\w-]+)==(\S+)$", CONSTRAINTS.read_text(encoding="utf-8"), re.MULTILINE))
    found = {name: _version(name) for name in PINNED}
    return ", ".join(f"{name} is {found[name]}, not {wanted[name]}" for name in PINNED if found[name] != wanted[name])


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "missing"
