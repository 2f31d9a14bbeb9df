"""What the levels of `senga upscale --denoise` make of JPEG pictures of each quality; and docs/denoise.png.

    python -m benchmarks.denoise --pictures data/anime_val --write-docs
    python -m benchmarks.denoise --picture-only

Run it from the repository root. The tables are in docs/headless.md; the levels were chosen by
their drawings.
"""

import argparse
import io
import shlex
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from senga.arch import load_model
from senga.arch.pictures.metrics import psnr_y
from senga.headless.commands.upscale_denoise import STEPS, Mix, Way, model_file, row
from senga.headless.commands.upscale_work import Network
from senga.training.datasets.procedural import validation_patterns
from senga.training.sr.validation.validation_crops import FILTERS, cut_domain, pictures_of_folder, some
from tqdm import tqdm

from .command import exit_code
from .docs_tables import write_docs
from .quality_contenders import ROOT

Picture = NDArray[np.uint8]  # (H, W, 3)

QUALITIES = {"clean": None, "q90": 90, "q75": 75, "q50": 50, "q30": 30}
GROUPS = {"Drawings (anime and lines)": ("anime", "lines"), "Patterns (stripes, dither, text)": ("patterns",)}
DEFAULT: Mix = ((1.0, ("senga_compact_x2",)),)  # without --denoise
SIDE = 96  # pixels of a crop
PAGE = ROOT / "docs" / "headless.md"
SHEET = ROOT / "docs" / "denoise.png"
EXAMPLE = ROOT / "example_workflows" / "senga_lucy.png"
DETAIL = (120, 92, 216, 168)  # left, top, right, bottom of the example
SHOWN = {"q75": 75, "q30": 30}
LABEL, GAP = 16, 4  # pixels


def pictures(folder: Path, count: int) -> list[tuple[str, Picture]]:
    """(domain, crop): `count` of the folder's pictures, and as many drawn lines and patterns."""
    crops = [
        ("anime", crop.picture)
        for crop in some(cut_domain("anime", pictures_of_folder("--pictures", folder), 4), count)
    ]
    drawn = validation_patterns(2)
    for domain in ("lines", "patterns"):
        own = [picture for name, picture in drawn if name.startswith(domain)]
        crops += [(domain, own[number]) for number in np.linspace(0, len(own) - 1, count).astype(int)]
    return [(domain, middle(crop)) for domain, crop in crops]


def middle(picture: Picture) -> Picture:
    top, left = ((side - SIDE) // 2 for side in picture.shape[:2])
    return np.ascontiguousarray(picture[top : top + SIDE, left : left + SIDE])


def damaged(picture: Image.Image, quality: int | None) -> Image.Image:
    """Saved as JPEG with 4:2:0 colour, as most programs do."""
    if quality is None:
        return picture
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality, subsampling=2)
    return Image.open(file).convert("RGB")


OPTIONS = {"width": 0, "height": 0, "tile": 0, "halo": -1, "precision": "fp32", "self_ensemble": False}


@lru_cache
def loaded(name: str) -> object:
    return load_model(model_file(name))


def enlarged(picture: Image.Image, mix: Mix, scale: int) -> Picture:
    """By the same code as the command."""
    network = Network({"scale": float(scale), **OPTIONS}, [(weight, [loaded(n) for n in way]) for weight, way in mix])
    with torch.inference_mode():
        result = network(torch.from_numpy(np.array(picture.convert("RGB")).astype(np.float32) / 255))
    return result.mul(255).round().byte().numpy()


def score(result: Picture, truth: Picture, scale: int) -> float:
    one, other = (
        torch.from_numpy(levels.astype(np.float32) / 255).permute(2, 0, 1)[None] for levels in (result, truth)
    )
    return float(psnr_y(one, other, scale))


def reduced(picture: Picture, domain: str, scale: int) -> Image.Image:
    method = Image.Resampling.BOX if domain in FILTERS else Image.Resampling.BICUBIC
    return Image.fromarray(picture).resize((picture.shape[1] // scale, picture.shape[0] // scale), method)


def scores(mix: Mix, scale: int, crops: Sequence[tuple[str, Picture]]) -> list[list[float]]:
    """PSNR_Y for each of GROUPS and each quality, the mean of the domains' means."""
    found: dict[tuple[str, str], list[float]] = {}
    for name, quality in QUALITIES.items():
        for domain, truth in crops:
            small = damaged(reduced(truth, domain, scale), quality)
            found.setdefault((domain, name), []).append(score(enlarged(small, mix, scale), truth, scale))
    return [[fmean(fmean(found[d, name]) for d in domains) for name in QUALITIES] for domains in GROUPS.values()]


def said(mix: Mix) -> str:
    return " + ".join((f"{weight:.0%} " if len(mix) > 1 else "") + path(way) for weight, way in mix)


def path(way: Way) -> str:
    return ", then ".join(f"`{name.removeprefix('senga_')}`" for name in way) or "as it came"


def table(scales: Sequence[int], crops: Sequence[tuple[str, Picture]]) -> str:
    """Markdown, a table for each of GROUPS; the best of each column and scale in bold."""
    rows: list[tuple[int, str, Mix]] = []
    known: dict[tuple[int, Mix], list[list[float]]] = {}
    for scale in scales:
        rows += [(scale, "none", ((1.0, ()),) if scale == 1 else DEFAULT)]
        rows += [(scale, str(step), row(scale, step)) for step in STEPS]
    for scale, _, mix in tqdm(rows, unit="row", leave=False):
        if (scale, mix) not in known:
            known[scale, mix] = scores(mix, scale, crops)
    return "\n".join(_table(number, name, rows, known) for number, name in enumerate(GROUPS))


def _table(
    group: int,
    title: str,
    rows: Sequence[tuple[int, str, Mix]],
    known: Mapping[tuple[int, Mix], Sequence[Sequence[float]]],
) -> str:
    lines = [
        f"**{title}**\n",
        f"| scale | `--denoise` | models (`senga_...`) | {' | '.join(QUALITIES)} |",
        f"|---|---|---|{'---:|' * len(QUALITIES)}",
    ]
    for scale, name, mix in rows:
        own = [values[group] for (other, _), values in known.items() if other == scale]
        best = [max(column) for column in zip(*own, strict=True)]
        cells = [
            f"**{v:.2f}**" if v == top else f"{v:.2f}" for v, top in zip(known[scale, mix][group], best, strict=True)
        ]
        lines.append(f"| x{scale} | {name} | {said(mix)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def draw_sheet() -> None:
    """docs/denoise.png: a detail of the example picture at qualities (rows), as it came and by each level (columns)."""
    small = Image.new("RGB", Image.open(EXAMPLE).size, "white")
    example = Image.open(EXAMPLE).convert("RGBA")
    small.paste(example, mask=example)
    small = small.crop(DETAIL)
    width, height = 2 * small.width, 2 * small.height
    columns = ["as it came", *(f"--denoise {step}" for step in STEPS)]
    sheet = Image.new("RGB", (len(columns) * (width + GAP) - GAP, LABEL + len(SHOWN) * (height + GAP) - GAP), "white")
    pen = ImageDraw.Draw(sheet)
    for number, text in enumerate(columns):
        pen.text((number * (width + GAP) + 2, 2), text, fill="black")
    for line, (name, quality) in enumerate(SHOWN.items()):
        came = damaged(small, quality)
        shown = [came.resize((width, height), Image.Resampling.NEAREST)]
        shown += [Image.fromarray(enlarged(came, row(2, step), 2)) for step in STEPS]
        top = LABEL + line * (height + GAP)
        for number, picture in enumerate(shown):
            sheet.paste(picture, (number * (width + GAP), top))
        pen.text((2, top + 2), name, fill="black", stroke_fill="white", stroke_width=2)
    sheet.save(SHEET, optimize=True)


def run(args: argparse.Namespace) -> None:
    if not args.picture_only:
        text = table(args.scale, pictures(args.pictures, args.count))
        sys.stdout.write(text)
        if args.write_docs:
            write_docs(PAGE, shlex.join(["python", "-m", "benchmarks.denoise", *sys.argv[1:]]), text)
    if args.write_docs or args.picture_only:
        draw_sheet()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, default=Path("data/anime_val"), help="a folder of clean pictures")
    parser.add_argument("--count", type=int, default=3, help="crops of the folder, of drawn lines and of patterns")
    parser.add_argument("--scale", type=int, nargs="+", default=[1, 2, 4], choices=(1, 2, 4))
    parser.add_argument("--write-docs", action="store_true", help="into docs/headless.md and docs/denoise.png")
    parser.add_argument("--picture-only", action="store_true", help="draw docs/denoise.png alone")
    return exit_code(run, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
