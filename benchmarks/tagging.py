"""How fast `senga tag` is with a WD14 file: against the loop that WD14 nodes and scripts run.

    python -m benchmarks.tagging data/art/val --count 200
    python -m benchmarks.tagging data/art/val --model wd-vit-tagger-v3/model.onnx --rounds 3

Run it from the repository root. Without --model a ViT-B of 448 pixels and 10,861 tags is written with random weights:
the time does not depend on them (needs the onnx package).

The loop: one session that is kept, with onnxruntime's own settings; one picture after the other is opened, resized
with Lanczos, padded, run and written, as ComfyUI-WD14-Tagger does it but for its session, which it builds anew for
every picture. `senga tag` is called as a user calls it. The network is loaded before on both sides, and both write
captions. They take turns in blocks of pictures, so that a busy minute hits both. The last line says how long the
network waited for pictures.
"""

import argparse
import contextlib
import csv
import io
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image
from senga.arch.borrowed import onnx_taggers
from senga.headless.cli import main as senga

SUFFIXES = (".png", ".webp", ".jpg", ".jpeg")
TAGS = 10_861  # of wd-vit-tagger-v3
VIT = {"size": 448, "width": 768, "depth": 12, "heads": 12}
THRESHOLD, CHARACTERS = 0.35, 0.85


def main(arguments: Sequence[str] | None = None) -> None:
    args = read_arguments(arguments)
    sources = [path for path in sorted(args.folder.rglob("*")) if path.suffix.lower() in SUFFIXES]
    if not sources:
        raise SystemExit(f"{args.folder}: there are no pictures")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        model = args.model or write_tagger(work / "vit.onnx")
        blocks = list(split([sources[i % len(sources)] for i in range(args.count)], args.rounds, work))
        loop, ours = Loop(model), 0.0
        warm = blocks[0][:1]
        loop.tag(warm)
        call(model, warm)
        base = 0.0
        waited: list[float] = []
        for number, block in enumerate(blocks, 1):
            seconds = {"loop": 0.0, "senga": 0.0}
            for side in ("loop", "senga") if number % 2 else ("senga", "loop"):
                begin = time.perf_counter()
                if side == "loop":
                    loop.tag(block)
                else:
                    with watching() as gaps:
                        call(model, block)
                    waited += gaps
                seconds[side] = time.perf_counter() - begin
            base, ours = base + seconds["loop"], ours + seconds["senga"]
            sys.stdout.write(
                f"block {number}: {len(block)} pictures, loop {seconds['loop'] / len(block):.3f} s each, "
                f"senga tag {seconds['senga'] / len(block):.3f}, ratio {seconds['loop'] / seconds['senga']:.2f}\n"
            )
            sys.stdout.flush()
        sys.stdout.write(
            f"all {args.count} pictures on {onnx_taggers.cores()} cores: loop {base:.1f} s, senga tag {ours:.1f} s,"
            f" {base / ours:.2f} times as fast\n"
            f"between two passes the network waited {1000 * float(np.median(waited)):.1f} ms (median),"
            f" {sum(waited):.2f} s of {ours:.1f} in all\n"
        )


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The speed of `senga tag` with an ONNX tagger, against a plain loop.")
    parser.add_argument("folder", type=Path, help="of pictures; they are taken again until there are enough")
    parser.add_argument("--model", type=Path, help="a WD14 file with its CSV; default: ViT-B with random weights")
    parser.add_argument("--count", type=int, default=200, help="pictures on each side (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="blocks that take turns (default: %(default)s)")
    return parser.parse_args(arguments)


def write_tagger(path: Path, **shape: Any) -> Path:
    from .onnx_files import write_onnx

    write_onnx(path, TAGS, **{**VIT, **shape})
    with path.with_suffix(".csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["tag_id", "name", "category", "count"])
        rows.writerows([i, f"tag_{i}", 9 if i < 4 else 0 if i < 8000 else 4, 1] for i in range(TAGS))
    return path


def split(sources: Sequence[Path], rounds: int, work: Path) -> Iterator[list[Path]]:
    """The pictures in blocks of one folder each, as links or copies."""
    size = -(-len(sources) // rounds)
    for number in range(0, len(sources), size):
        folder = work / f"block_{number}"
        folder.mkdir()
        block = []
        for i, source in enumerate(sources[number : number + size]):
            target = folder / f"{i:04}{source.suffix.lower()}"
            target.write_bytes(source.read_bytes())
            block.append(target)
        yield block


class Loop:
    """What nodes and scripts do, with the session kept."""

    def __init__(self, model: Path) -> None:
        self.session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0]
        path = model.with_suffix(".csv")
        with (path if path.is_file() else model.with_name("selected_tags.csv")).open(encoding="utf-8") as file:
            self.tags = [(row["name"], row["category"]) for row in csv.DictReader(file)]

    def tag(self, block: Sequence[Path]) -> None:
        for path in block:
            scores = self.session.run(None, {self.input.name: self.prepared(path)})[0][0]  # type: ignore[index]
            chosen = [
                name.replace("_", " ")
                for (name, category), score in zip(self.tags, scores, strict=True)
                if category != "9" and score > (CHARACTERS if category == "4" else THRESHOLD)
            ]
            path.with_suffix(".loop.txt").write_text(", ".join(chosen), encoding="utf-8")

    def prepared(self, path: Path) -> "np.ndarray[Any, Any]":
        size = self.input.shape[1]
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        ratio = size / max(image.size)
        image = image.resize((int(image.width * ratio), int(image.height * ratio)), Image.Resampling.LANCZOS)
        square = Image.new("RGB", (size, size), "white")
        square.paste(image, ((size - image.width) // 2, (size - image.height) // 2))
        return np.asarray(square, dtype=np.float32)[None, :, :, ::-1]


def call(model: Path, block: Sequence[Path]) -> None:
    """`senga tag` on a block's pictures, its output thrown away."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code = senga(["tag", *map(str, block), "--model", str(model), "--force"])
    if code:
        raise SystemExit(f"senga tag failed with {code}")


@contextlib.contextmanager
def watching() -> Iterator[list[float]]:
    """Collect the seconds between the end of one call of the network and the start of the next."""
    gaps: list[float] = []
    last: list[float] = []
    original = onnx_taggers.OnnxTagger.predict

    def predict(self: Any, prepared: Any) -> Any:
        if last:
            gaps.append(time.perf_counter() - last[-1])
        result = original(self, prepared)
        last.append(time.perf_counter())
        return result

    onnx_taggers.OnnxTagger.predict = predict
    try:
        yield gaps
    finally:
        onnx_taggers.OnnxTagger.predict = original


if __name__ == "__main__":
    main()
