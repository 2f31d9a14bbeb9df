"""How fast `senga tag` is with a WD14 file: against the loop that WD14 nodes and scripts run.

    python -m benchmarks.tagging data/art/val --count 200
    python -m benchmarks.tagging data/art/val --model wd-vit-tagger-v3/model.onnx --rounds 3 --against kept

Run it from the repository root. Without --model a ViT-B of 448 pixels and 10,861 tags is written with random weights:
the time does not depend on them (needs the onnx package).

The loop: one picture after the other is opened, resized with Lanczos, padded to a white square, run alone by
onnxruntime with its own settings, and written. ComfyUI-WD14-Tagger builds its session and reads the list of tags anew
for every picture (wd14tagger.py at commit 179bf9b): that is `node`. `kept` is the same loop as a careful script has it,
with one session and one list. `senga tag` is called as a user calls it, with the network loaded before, as for `kept`.
All write captions. They take turns in blocks of pictures, so that a busy minute hits all of them. The last line says
how long the network waited for pictures.
"""

import argparse
import contextlib
import csv
import io
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
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
OURS = "senga tag"


def main(arguments: Sequence[str] | None = None) -> None:
    args = read_arguments(arguments)
    sources = [path for path in sorted(args.folder.rglob("*")) if path.suffix.lower() in SUFFIXES]
    if not sources:
        raise SystemExit(f"{args.folder}: there are no pictures")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        model = args.model or write_tagger(work / "vit.onnx")
        blocks = list(split([sources[i % len(sources)] for i in range(args.count)], args.rounds, work))
        waited: list[float] = []
        sides: dict[str, Callable[[list[Path]], None]] = {side: LOOPS[side](model) for side in args.against}
        sides[OURS] = Ours(model, waited)
        for tag in sides.values():
            tag(blocks[0][:1])
        waited.clear()
        total = dict.fromkeys(sides, 0.0)
        for number, block in enumerate(blocks, 1):
            seconds: dict[str, float] = {}
            for side in list(sides)[:: 1 if number % 2 else -1]:
                begin = time.perf_counter()
                sides[side](block)
                seconds[side] = time.perf_counter() - begin
                total[side] += seconds[side]
            each = ", ".join(f"{side} {seconds[side] / len(block):.3f}" for side in sides)
            sys.stdout.write(f"block {number}, {len(block)} pictures, seconds for each: {each}\n")
            sys.stdout.flush()
        sys.stdout.write(f"all {args.count} pictures on {onnx_taggers.cores()} cores: {OURS} {total[OURS]:.1f} s")
        for side in args.against:
            sys.stdout.write(f"; {total[side] / total[OURS]:.2f} times as fast as {side} ({total[side]:.1f} s)")
        sys.stdout.write("\n")
        if waited:  # none in blocks of one pass
            sys.stdout.write(
                f"between two passes the network waited {1000 * float(np.median(waited)):.1f} ms (median),"
                f" {sum(waited):.2f} s of {total[OURS]:.1f} in all\n"
            )


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The speed of `senga tag` with an ONNX tagger, against a plain loop.")
    parser.add_argument("folder", type=Path, help="of pictures; they are taken again until there are enough")
    parser.add_argument("--model", type=Path, help="a WD14 file with its CSV; default: ViT-B with random weights")
    parser.add_argument("--count", type=int, default=200, help="pictures on each side (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="blocks that take turns (default: %(default)s)")
    parser.add_argument("--against", nargs="+", choices=LOOPS, default=list(LOOPS), help="loops (default: both)")
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


class Kept:
    """The loop with one session for all pictures."""

    def __init__(self, model: Path) -> None:
        self.model = model
        self.open()

    def open(self) -> None:
        # The node asks for all providers that are installed; on a CPU that comes to this one.
        self.session = onnxruntime.InferenceSession(self.model, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0]
        path = self.model.with_suffix(".csv")
        with (path if path.is_file() else self.model.with_name("selected_tags.csv")).open(encoding="utf-8") as file:
            self.tags = [(row["name"], row["category"]) for row in csv.DictReader(file)]

    def __call__(self, block: Sequence[Path]) -> None:
        for path in block:
            self.tag(path)

    def tag(self, path: Path) -> None:
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


class Node(Kept):
    """The loop with a session and a list of tags for each picture."""

    def tag(self, path: Path) -> None:
        self.open()
        super().tag(path)


LOOPS: dict[str, type[Kept]] = {"node": Node, "kept": Kept}


class Ours:
    """`senga tag`, its output thrown away; `waited` gets the seconds between two passes of the network."""

    def __init__(self, model: Path, waited: list[float]) -> None:
        self.model, self.waited = model, waited

    def __call__(self, block: Sequence[Path]) -> None:
        with watching() as gaps, contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            code = senga(["tag", *map(str, block), "--model", str(self.model), "--force"])
        self.waited += gaps
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
