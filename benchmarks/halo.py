"""How much context a tile needs: the worst error of tiled against whole, for trained weights.

    python -m benchmarks.halo weights/senga_espcn_7_x2.safetensors
    python -m benchmarks.halo peer:x4plus-anime --tiles 32 64 256 --halos 32 48 64

Run it from the repository root. It prints one table per model, and below it the smallest halo that keeps every strip
and tile size within the limit: the figure for `halo=` in arch/registry.py. Strips are long and thin, so that most of
a strip is outside every window and still the whole of it is cheap; horizontal and vertical ones, for both directions.
"""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from senga.arch import SengaError, load_model, upscale
from torch import Tensor
from tqdm import tqdm

from .command import exit_code
from .peer_weights import read_peer

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_FOLDERS = (ROOT / "data" / "art" / "val", ROOT / "example_workflows")
SUFFIXES = (".png", ".webp", ".jpg", ".jpeg")
TILES = (16, 32, 64, 128, 256)
HALOS = (2, 4, 5, 6, 7, 8, 12, 16, 24, 32, 48, 64, 96, 128)
LIMIT = 0.5  # of 255: half a level, so that 8-bit pictures differ by one level at most
SHORTEST = 0.5  # a picture gives a strip if it has this share of the full length

Picture = NDArray[np.uint8]  # (H, W, 3)


@dataclass(frozen=True)
class Strip:
    name: str
    image: Tensor  # (1, H, W, 3) float32 in [0, 1]


@dataclass(frozen=True)
class Error:
    """The largest difference between tiled and whole, in levels of 255, and the strip that has it."""

    levels: float
    strip: str


Table = dict[tuple[int, int], Error]  # (halo, tile) -> the worst over all strips


def read_picture(path: Path) -> Picture:
    """(H, W, 3), transparency on white. Raises SengaError for a file that is not a picture."""
    try:
        with Image.open(path) as image:
            rgba = image.convert("RGBA")
    except (UnidentifiedImageError, OSError) as error:
        raise SengaError(f"{path}: this is not a picture that can be read ({error}); leave it out") from error
    flat = Image.new("RGBA", rgba.size, "white")
    flat.alpha_composite(rgba)
    return np.asarray(flat.convert("RGB"))


def steps(picture: NDArray[Any]) -> NDArray[np.float32]:
    """(H, W, 3) -> (H - 1, W - 1): how far each pixel's luma is from its right and lower neighbours', summed."""
    luma = picture @ np.array([0.299, 0.587, 0.114], np.float32)
    across, down = np.abs(np.diff(luma, axis=1))[:-1], np.abs(np.diff(luma, axis=0))[:, :-1]
    return across + down


def horizontal_strip(picture: Picture, thickness: int, length: int) -> Picture | None:
    """The band across the whole picture with the most detail, the picture shrunk to `length` if it is wider.

    None for a picture that is too small.
    """
    height, width = picture.shape[:2]
    if width > length:
        height, width = max(1, round(height * length / width)), length
        picture = np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))
    if height < thickness or width < length * SHORTEST:
        return None
    rows = np.concatenate([[0.0], np.cumsum(steps(picture).sum(axis=1))])
    top = int(np.argmax(rows[thickness - 1 :] - rows[: len(rows) - thickness + 1]))
    return picture[top : top + thickness]


def cut_strips(name: str, picture: Picture, thickness: int, length: int) -> list[Strip]:
    """A horizontal and a vertical strip, as far as the picture is large enough."""
    horizontal = horizontal_strip(picture, thickness, length)
    vertical = horizontal_strip(picture.swapaxes(0, 1), thickness, length)
    found = [("horizontal", horizontal), ("vertical", None if vertical is None else vertical.swapaxes(0, 1))]
    return [
        Strip(f"{name} {way}", torch.from_numpy(strip.astype(np.float32) / 255)[None])
        for way, strip in found
        if strip is not None
    ]


def load_strips(folders: Iterable[Path], pictures: int, thickness: int, length: int) -> list[Strip]:
    """Strips of the most detailed pictures, taken from every sub-folder in turn: each holds a style of its own.

    Raises SengaError where no picture is large enough.
    """
    files = sorted({path for folder in folders for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES})
    styles: dict[Path, list[tuple[float, list[Strip]]]] = {}
    for path in tqdm(files, desc="pictures", unit="file", leave=False):
        strips = cut_strips(path.stem, read_picture(path), thickness, length)
        if strips:
            # On the strips alone: the rest of the picture is not measured.
            detail = np.mean([steps(strip.image[0].numpy()).mean() for strip in strips])
            styles.setdefault(path.parent, []).append((float(detail), strips))
    ranked = [sorted(style, key=lambda entry: -entry[0]) for _, style in sorted(styles.items())]
    turns = [entry[1] for entry in chain.from_iterable(zip_longest(*ranked)) if entry is not None]
    if not turns:
        looked = ", ".join(map(str, folders))
        raise SengaError(
            f"{looked}: {len(files)} pictures, none large enough for a strip of {length}x{thickness} pixels;"
            " name another folder with --pictures or lower --strip"
        )
    return list(chain.from_iterable(turns[:pictures]))


def measure(model: Any, strips: Sequence[Strip], tiles: Sequence[int], halos: Sequence[int]) -> Table:
    """Worst error per halo and tile size, in float32. The whole of each strip is computed once."""
    table: Table = {}
    bar = tqdm(total=len(strips) * (1 + len(tiles) * len(halos)), unit="run", leave=False)
    for strip in strips:
        bar.set_description(strip.name)
        whole = upscale(model, strip.image, tile=max(strip.image.shape), halo=0, precision="fp32")
        bar.update()
        for halo in halos:
            for tile in tiles:
                tiled = upscale(model, strip.image, tile=tile, halo=halo, precision="fp32")
                levels = float((tiled - whole).abs().max()) * 255
                if (halo, tile) not in table or levels > table[halo, tile].levels:
                    table[halo, tile] = Error(levels, strip.name)
                bar.update()
    bar.close()
    return table


def smallest_halo(table: Mapping[tuple[int, int], Error], limit: float) -> int | None:
    """The smallest halo that keeps to the limit for all tile sizes, as do all larger ones that were measured."""
    good: int | None = None
    for halo in sorted({halo for halo, _ in table}, reverse=True):
        if any(error.levels > limit for (row, _), error in table.items() if row == halo):
            break
        good = halo
    return good


def as_text(table: Mapping[tuple[int, int], Error]) -> str:
    """Rows halo, columns tile size, and each row's worst strip."""
    halos, tiles = sorted({halo for halo, _ in table}), sorted({tile for _, tile in table})
    lines = ["halo " + "".join(f"{f'tile {tile}':>10}" for tile in tiles) + "  worst strip"]
    for halo in halos:
        worst = max((table[halo, tile] for tile in tiles), key=lambda error: error.levels)
        cells = "".join(f"{table[halo, tile].levels:>10.4f}" for tile in tiles)
        lines.append(f"{halo:>4} {cells}  {worst.strip}")
    return "\n".join(lines) + "\n"


def open_model(name: str) -> Any:
    """`peer:x4plus-anime` and the like, or a weights file."""
    return read_peer(name.removeprefix("peer:")) if name.startswith("peer:") else load_model(name)


def report(name: str, model: Any, strips: Sequence[Strip], args: argparse.Namespace) -> str:
    config = model.header.config()
    radius, alignment = config.radius, config.alignment
    # Beyond the radius nothing can change, and the tiles' windows start on the alignment.
    halos = {min(radius, -(-halo // alignment) * alignment) for halo in args.halos}
    table = measure(model, strips, args.tiles, sorted(halos))
    found = smallest_halo(table, args.limit)
    verdict = (
        f"no halo measured keeps to {args.limit:g}/255; give larger ones with --halos"
        if found is None
        else f"smallest halo measured within {args.limit:g}/255: {found}"
    )
    sizes = sorted({f"{strip.image.shape[2]}x{strip.image.shape[1]}" for strip in strips})
    return (
        f"{name}: {model.header.architecture} x{model.scale},"
        f" receptive radius {radius}, default halo {model.default_halo}\n"
        f"worst error in levels of 255 over {len(strips)} strips ({', '.join(sizes)})\n"
        f"{as_text(table)}{verdict}\n\n"
    )


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.halo", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("models", nargs="+", metavar="MODEL", help="a weights file, peer:x4plus-anime or peer:x4plus")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="instead of data/art/val and example_workflows")
    parser.add_argument("--tiles", type=int, nargs="+", default=TILES, help="tile sizes in input pixels")
    parser.add_argument("--halos", type=int, nargs="+", default=HALOS, help="halos in input pixels")
    parser.add_argument("--limit", type=float, default=LIMIT, help="largest error allowed, in levels of 255")
    parser.add_argument("--count", type=int, default=10, help="pictures to take, with a strip or two each")
    parser.add_argument(
        "--strip", type=int, nargs=2, default=(48, 576), metavar=("THICKNESS", "LENGTH"), help="input pixels"
    )
    return parser.parse_args(argv)


def benchmark(args: argparse.Namespace) -> None:
    # All models first: a mistyped name should not show after minutes of measuring.
    models = {name: open_model(name) for name in args.models}
    folders = [args.pictures] if args.pictures else DEFAULT_FOLDERS
    strips = load_strips(folders, args.count, *args.strip)
    for name, model in models.items():
        sys.stdout.write(report(name, model, strips, args))
        sys.stdout.flush()


def main(argv: Sequence[str] | None = None) -> int:
    return exit_code(benchmark, parse(argv))


if __name__ == "__main__":
    sys.exit(main())
