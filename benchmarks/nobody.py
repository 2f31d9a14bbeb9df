"""What a tagger says of pictures without people, and whether it calls coloured drawings grey.

    python -m benchmarks.nobody
    python -m benchmarks.nobody --model runs/mine/mine.safetensors --negatives data/negatives --drawings data/anime_val

Run it from the repository root. Plain pictures and noise are made here. --negatives adds the held-out pictures of
`senga data build-negatives` or `build-people`, kind by kind; --drawings folders of coloured drawings. A line for each
group: how many pictures, how many get a count of people (`solo`, `1girl`, ...) and how many are called greyscale,
monochrome or sepia, at the default threshold; the highest score of a count of people; and the tags that they get most
often.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from senga.arch import Options, TaggerModel, load_tagger
from senga.arch.exclusive import counts_of_people
from senga.arch.tagging import tag
from senga.training.tagger.sources import read_table

SUFFIXES = (".png", ".webp", ".jpg", ".jpeg")
SIDE = 256
UNCOLOURED = ("greyscale", "monochrome", "sepia")
SHOWN = 6  # tags in a line


def main(arguments: Sequence[str] | None = None) -> None:
    args = read_arguments(arguments)
    model = load_tagger(args.model)
    sys.stdout.write(f"{'pictures':24} {'count':>5} {'people':>6} {'score':>6} {'grey':>5}  tags\n")
    for name, pictures in groups(args.negatives, args.drawings):
        sys.stdout.write(line(name, model, pictures) + "\n")
        sys.stdout.flush()


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What a tagger says of pictures without people, and of colour.")
    parser.add_argument("--model", type=Path, default=Path("weights/senga_tagger_large.safetensors"))
    parser.add_argument("--negatives", type=Path, help="a folder of senga data build-negatives or build-people")
    parser.add_argument("--drawings", type=Path, nargs="*", default=[], help="folders of coloured drawings")
    return parser.parse_args(arguments)


def groups(negatives: Path | None, drawings: Sequence[Path]) -> Iterator[tuple[str, list[Image.Image]]]:
    for name, colour in (("white square", "white"), ("black square", "black"), ("grey square", "#808080")):
        yield name, [Image.new("RGB", (SIDE, SIDE), colour)]
    yield "coloured squares", [Image.new("RGB", (SIDE, SIDE), colour) for colour in ("red", "skyblue", "#30a040")]
    for name, channels in (("grey noise", 1), ("coloured noise", 3)):
        yield name, [noise(seed, channels) for seed in range(3)]
    if negatives:
        rows = [row for row in read_table(negatives / "manifest.csv", 0) if row["split"] in ("val", "test")]
        for style in sorted({row["style"] for row in rows}):
            yield style, [opened(negatives / row["file"]) for row in rows if row["style"] == style]
    for folder in drawings:
        paths = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES]
        yield f"drawings of {folder.name}", [opened(path) for path in paths]


def noise(seed: int, channels: int) -> Image.Image:
    levels = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, channels), np.uint8)
    return Image.fromarray(np.ascontiguousarray(np.broadcast_to(levels, (SIDE, SIDE, 3))))


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGBA")


def line(name: str, model: TaggerModel, pictures: Sequence[Image.Image]) -> str:
    names = model.vocabulary.names
    people = {tag for group in counts_of_people(names) for tag in group} - {"no_humans"}
    found = [one for picture in pictures for one in tag(model, as_tensor(picture), Options())]
    said = [[name for name, _ in one.chosen] for one in found]
    counted = sum(bool(people & {*tags}) for tags in said)
    grey = sum(not {*UNCOLOURED}.isdisjoint(tags) for tags in said)
    general = [json.loads(one.scores)["general"] for one in found]
    scores = [score for one in general for name, score in one.items() if name in people]
    often = ", ".join(tag for tag, _ in Counter(tag for tags in said for tag in tags).most_common(SHOWN))
    return f"{name:24} {len(said):5} {counted:6} {max(scores, default=0.0):6.3f} {grey:5}  {often}"


def as_tensor(picture: Image.Image) -> torch.Tensor:
    """(1, H, W, C) in [0, 1]."""
    return torch.from_numpy(np.array(picture)).float()[None] / 255


if __name__ == "__main__":
    main()
