"""The page that an upscaler's training ends with: which curves it shows, and how the weights are used."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from ..run import report
from ..run.report import Plot
from .validation.whole_pictures import COLUMNS, FOLDER, SHOWN, read_scores

USE = "senga upscale PICTURE -o LARGE.png --model"

SR_PLOTS = (
    Plot("loss", ("loss",), log=True),
    Plot("its terms, before their weights", ("loss_*",), log=True),
    Plot("discriminator: share classified correctly", ("accuracy_*",)),
    Plot("gradient norm", ("gradient_norm",), log=True),
    Plot("PSNR_Y of whole pictures, dB", ("psnr_y_whole",), dashed=("psnr_y_whole_lanczos",)),
    Plot("PSNR_Y, dB", ("psnr_y", "psnr_y_*"), dashed=("psnr_y_lanczos",)),
    Plot("SSIM_Y", ("ssim_y", "ssim_y_*"), dashed=("ssim_y_lanczos",)),
    Plot("SSIMULACRA2", ("ssimulacra2", "ssimulacra2_*"), dashed=("ssimulacra2_lanczos",)),
    Plot("colour shift, levels of 255", ("colour_shift",)),
    Plot("learning rate", ("learning_rate",)),
    Plot("pictures a second", ("images_per_second",)),
    Plot("waiting for data, share of the time", ("waiting",)),
)


def write_report(folder: Path, data: str, pictures: int, licences: Sequence[str], validated: str, command: str) -> Path:
    """FOLDER/report.md with curves.png; returns the page's path.

    Args:
        data: where the pictures are.
        validated: how many crops of what the result is of.
    """
    facts = {"trained on": f"{data}: {pictures} pictures, {', '.join(licences)}", "validated on": validated}
    more = whole_pictures(folder)
    return report.write_report(folder, facts=facts, command=command, use=USE, plots=SR_PLOTS, more=more)


def whole_pictures(folder: Path) -> list[str]:
    """The part about the user's own validation pictures; nothing where there are none."""
    rows = read_scores(folder)
    if not rows:
        return []
    head = ["picture", "PSNR_Y, dB", "Lanczos", "SSIM_Y"]
    cells = [[r["file"], *(f"{float(r[name]):.4g}" for name in COLUMNS[1:4])] for r in rows]
    shown = [f"![{r['file']}]({quote(f'{FOLDER}/' + r['file'])})" for r in rows[:SHOWN]]
    return ["## Your validation pictures", report.table(head, cells), *shown]
