"""How far a picture's colours moved, and its SSIMULACRA2 (arch/pictures/metrics.py has PSNR and SSIM).

Both look at what a user would save: values are rounded to 8 bits first. `ssimulacra2` needs the package of that name.
"""

import tempfile
from importlib.util import find_spec
from pathlib import Path

from PIL import Image
from torch import Tensor

from ....arch.errors import SengaError, install
from ....arch.image import to_bhwc
from ....arch.pictures.metrics import eight_bit

SMALLEST_SSIMULACRA2 = 8  # pixels a side
MISSING = (
    f"SSIMULACRA2 needs the package ssimulacra2, which is not installed; in the repository, run: {install('train')}"
)


def colour_shift(image: Tensor, reference: Tensor) -> Tensor:
    """How much redder, greener and bluer a picture is than its reference on average, after rounding to 8 bits.

    Args:
        image, reference: (B, 3, H, W) in [0, 1].

    Returns:
        (B, 3) float32: signed mean difference of each channel in levels of 255. `.abs().amax(1)` is the worst channel.

    Raises:
        SengaError: the two differ in shape.
    """
    if image.shape != reference.shape:
        raise SengaError(
            f"the picture is {tuple(image.shape)} and its reference {tuple(reference.shape)}; expected equal shapes"
        )
    return (eight_bit(image) - eight_bit(reference)).mean(dim=(2, 3))


def check_ssimulacra2() -> None:
    """Raises SengaError where its package is missing: a run says so before it trains, not at its first sheet."""
    if find_spec("ssimulacra2") is None:
        raise SengaError(MISSING)


def ssimulacra2(image: Tensor, reference: Tensor) -> list[float]:
    """SSIMULACRA2 of each picture of a batch, rounded to 8 bits: 100 equal, 90 nearly identical, 70 good, 30 poor.

    Cloudinary's perceptual score, made for compressed pictures, by the package ssimulacra2 (a port of the libjxl
    tool). It looks at colour as well, and has no lower end.

    Args:
        image, reference: (B, 3, H, W) in [0, 1].

    Raises:
        SengaError: the package is missing, the shapes differ, or a side is under 8 pixels.
    """
    if image.shape != reference.shape or min(image.shape[-2:]) < SMALLEST_SSIMULACRA2:
        raise SengaError(
            f"the picture is {tuple(image.shape)} and its reference {tuple(reference.shape)}; SSIMULACRA2 needs equal"
            f" shapes of {SMALLEST_SSIMULACRA2} pixels a side or more"
        )
    try:
        from ssimulacra2 import compute_ssimulacra2  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise SengaError(MISSING) from error
    scores = []
    with tempfile.TemporaryDirectory() as folder:  # the package takes files only
        paths = [Path(folder) / "reference.png", Path(folder) / "image.png"]
        for pair in zip(eight_bit(to_bhwc(reference)), eight_bit(to_bhwc(image)), strict=True):
            for path, picture in zip(paths, pair, strict=True):
                Image.fromarray(picture.byte().cpu().numpy()).save(path, compress_level=0)
            scores.append(float(compute_ssimulacra2(str(paths[0]), str(paths[1]))))
    return scores
