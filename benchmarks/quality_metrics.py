"""The quality benchmark's metrics: a table of functions of (output, reference), both shaved 8-bit pictures."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from senga.arch import SengaError
from senga.arch.image import to_bchw
from senga.arch.pictures.metrics import luma, psnr_y, ssim_y
from senga.training.sr.validation.metrics import colour_shift, ssimulacra2
from torch import Tensor

Picture = NDArray[np.uint8]  # (H, W, 3)

WRAPPED = 4  # pixels at each border that a moved picture has from its other side, or that ring from there


def to_tensor(picture: Picture) -> Tensor:
    """(H, W, 3) levels -> (1, 3, H, W) float32 in [0, 1]."""
    return to_bchw(torch.from_numpy(picture.astype(np.float32) / 255)[None])


def flip(output: Picture, reference: Picture) -> float:
    """Mean FLIP (Andersson et al. 2020) at its usual 67 pixels per degree: 0 equal, 1 as different as can be."""
    try:
        import flip_evaluator  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise SengaError(
            "FLIP needs the package flip-evaluator, which is not installed; run: pip install flip-evaluator"
        ) from error
    a, b = (picture.astype(np.float32) / 255 for picture in (reference, output))
    _, mean, _ = flip_evaluator.evaluate(a, b, "LDR", applyMagma=False)
    return float(mean)


def offset(output: Tensor, reference: Tensor) -> tuple[float, float]:
    """How many pixels the output is right of and below the reference, to a fraction: least squares over the picture.

    One step of Lucas and Kanade 1981 on luma: a picture moved by d differs by -d times its gradient. Good for less
    than a pixel, which is what a network or a mistake in cutting borders can do.

    Args:
        output, reference: (1, 3, H, W) in [0, 1].

    Returns:
        (right, down); (0, 0) for a flat picture.
    """
    a, b = (luma(x).double()[0, 0] for x in (output, reference))
    down, right = torch.gradient((a + b) / 2)
    gradients = torch.stack([right.flatten(), down.flatten()], 1)
    if float(torch.linalg.matrix_rank(gradients.T @ gradients)) < 2:
        return 0.0, 0.0
    found = torch.linalg.lstsq(gradients, (b - a).flatten()[:, None]).solution[:, 0]
    return float(found[0]), float(found[1])


def moved(picture: Tensor, right: float, down: float) -> Tensor:
    """(1, 3, H, W) moved by a fraction of a pixel, as a phase; what leaves at one side enters at the other."""
    height, width = picture.shape[-2:]
    waves = torch.fft.fftfreq(height)[:, None] * down + torch.fft.fftfreq(width)[None] * right
    return torch.fft.ifft2(torch.fft.fft2(picture) * torch.exp(-2j * torch.pi * waves)).real.clamp(0, 1)


def of_aligned(output: Picture, reference: Picture) -> dict[str, float]:
    """PSNR_Y after the result was moved back by its own offset: what a network loses by laying pictures aside."""
    a, b = to_tensor(output), to_tensor(reference)
    right, down = offset(a, b)
    return {"aligned": float(psnr_y(moved(a, -right, -down), b, WRAPPED)[0])}


def of_shift(output: Picture, reference: Picture) -> dict[str, float]:
    red, green, blue = colour_shift(to_tensor(output), to_tensor(reference))[0].tolist()
    return {"shift": max(map(abs, (red, green, blue))), "red": red, "green": green, "blue": blue}


def of_offset(output: Picture, reference: Picture) -> dict[str, float]:
    right, down = offset(to_tensor(output), to_tensor(reference))
    return {"offset": max(abs(right), abs(down)), "right": right, "down": down}


@dataclass(frozen=True)
class Metric:
    title: str
    digits: int  # after the point, in a table
    best: Callable[[Iterable[float]], float]  # max or min
    measure: Callable[[Picture, Picture], dict[str, float]]  # (output, reference) -> column -> value


METRICS = {
    "psnr": Metric("PSNR_Y (dB)", 2, max, lambda a, b: {"psnr": float(psnr_y(to_tensor(a), to_tensor(b), 0)[0])}),
    "ssim": Metric("SSIM_Y", 4, max, lambda a, b: {"ssim": float(ssim_y(to_tensor(a), to_tensor(b), 0)[0])}),
    "ssimulacra2": Metric(
        "SSIMULACRA2", 1, max, lambda a, b: {"ssimulacra2": ssimulacra2(to_tensor(a), to_tensor(b))[0]}
    ),
    "flip": Metric("FLIP (lower is better)", 4, min, lambda a, b: {"flip": flip(a, b)}),
    "shift": Metric("colour shift, worst channel (of 255, lower is better)", 2, min, of_shift),
    "aligned": Metric("PSNR_Y after moving each result onto its place (dB)", 2, max, of_aligned),
    "offset": Metric("offset (pixels of the result, lower is better)", 3, min, of_offset),
}


def shave(picture: Picture, border: int) -> Picture:
    height, width = picture.shape[:2]
    return np.ascontiguousarray(picture[border : height - border, border : width - border])


def measure(output: Picture, reference: Picture, border: int, metrics: Iterable[str]) -> dict[str, float]:
    """The metrics' columns, `border` pixels left out all around: (output, reference) of equal shape."""
    if output.shape != reference.shape:
        raise SengaError(f"the result is {output.shape}, its reference {reference.shape}; expected equal shapes")
    a, b = shave(output, border), shave(reference, border)
    values: dict[str, float] = {}
    for name in metrics:
        values |= METRICS[name].measure(a, b)
    return values
