"""The page that an upscaler's training ends with: which curves it shows, and how the weights are used."""

from collections.abc import Sequence
from pathlib import Path

from ..run import report
from ..run.report import Plot

USE = "senga upscale PICTURE -o LARGE.png --model"

SR_PLOTS = (
    Plot("loss", ("loss",), log=True),
    Plot("its terms, before their weights", ("loss_*",), log=True),
    Plot("discriminator: share judged rightly", ("accuracy_*",)),
    Plot("gradient norm", ("gradient_norm",), log=True),
    Plot("PSNR_Y, dB", ("psnr_y", "psnr_y_*"), dashed=("psnr_y_lanczos",)),
    Plot("SSIM_Y", ("ssim_y", "ssim_y_*"), dashed=("ssim_y_lanczos",)),
    Plot("SSIMULACRA2", ("ssimulacra2", "ssimulacra2_*"), dashed=("ssimulacra2_lanczos",)),
    Plot("colour shift, levels of 255", ("colour_shift",)),
    Plot("learning rate", ("learning_rate",)),
    Plot("pictures a second", ("images_per_second",)),
    Plot("waiting for data, share of the time", ("waiting",)),
)


def write_report(folder: Path, data: str, pictures: int, licences: Sequence[str], command: str) -> Path:
    """FOLDER/report.md with curves.png; returns the page's path. `data` is the folder of the pictures."""
    trained_on = f"{data}: {pictures} pictures, {', '.join(licences)}"
    facts = {"trained on": trained_on}
    return report.write_report(folder, facts=facts, command=command, use=USE, plots=SR_PLOTS)
