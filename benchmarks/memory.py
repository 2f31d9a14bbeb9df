"""The memory of long jobs: resident bytes over time for many pictures, a long animation, a large picture, many runs.

    python -m benchmarks.memory --pictures 10000 --chart docs/memory.png
    python -m benchmarks.memory --pictures 500 --frames 300 --runs 50 --only pictures workflow

Run it from the repository root, on Linux. Each job runs in a process of its own, with a small network, and its memory
is read ten times a second. Curves begin when Senga is imported. Flat means: after a tenth of the job, the curve does
not rise. The large picture is the exception by nature: input and result are held, and the curve shows what is beyond.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from senga.arch import UpscaleModel, save_model

EVERY = 0.1  # seconds between two readings
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096  # bytes
READY = "ready\n"  # what a process writes when all is imported
START = """
import sys
from senga.headless.cli import main
import senga.headless.commands.run, senga.headless.commands.upscale
sys.stderr.write("ready\\n"); sys.stderr.flush()
"""


@dataclass(frozen=True)
class Job:
    name: str
    title: str
    prepare: Callable[[Path, argparse.Namespace], str]  # fills the folder; returns the Python that runs the job in it


@dataclass(frozen=True)
class Curve:
    seconds: list[float]
    mb: list[float]  # resident

    @property
    def growth(self) -> float:
        """MB between the highest point of the first tenth and the highest of all."""
        return max(self.mb) - max(self.mb[: max(1, len(self.mb) // 10)])


def upscale(source: str, target: str) -> str:
    return f"sys.exit(main(['upscale', {source!r}, '-o', {target!r}, '--model', 'small.safetensors']))"


def pictures(folder: Path, args: argparse.Namespace) -> str:
    (folder / "in").mkdir()
    for number in range(args.pictures):
        Image.fromarray(noise(number, 48, 64)).save(folder / "in" / f"{number:05}.png")
    return upscale("in", "out")


def animation(folder: Path, args: argparse.Namespace) -> str:
    frames = (Image.fromarray(noise(number, 48, 64)) for number in range(args.frames))
    next(frames).save(folder / "in.webp", save_all=True, append_images=frames, duration=40, quality=60)
    return upscale("in.webp", f"out.{args.format}")


def large(folder: Path, args: argparse.Namespace) -> str:
    Image.fromarray(np.tile(noise(0, 512, 512), (1, -(-args.width // 512), 1))[:, : args.width]).save(folder / "in.png")
    return upscale("in.png", "out.png")


def workflow(folder: Path, args: argparse.Namespace) -> str:
    (folder / "input").mkdir()
    Image.fromarray(noise(0, 48, 64)).save(folder / "input" / "a.png")
    prompt = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
        "2": {"class_type": "UpscaleModelLoader", "inputs": {"model_name": "small.safetensors"}},
        "3": {"class_type": "ImageUpscaleWithModel", "inputs": {"upscale_model": ["2", 0], "image": ["1", 0]}},
        "4": {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}},
    }
    line = ["run", "w.json", "--models-dir", "."]
    return (
        f"import json; open('w.json', 'w').write(json.dumps({prompt!r}))\n"
        f"for _ in range({args.runs}):\n    if main({line!r}): sys.exit(1)"
    )


JOBS = [
    Job("pictures", "{pictures} pictures of 64x48", pictures),
    Job("animation", "an animation of {frames} frames of 64x48 ({format})", animation),
    Job("large", "a picture of {width}x512", large),
    Job("workflow", "{runs} runs of a workflow in one process", workflow),
]


def noise(seed: int, height: int, width: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def main(arguments: Sequence[str] | None = None) -> int:
    args = read_arguments(arguments)
    curves: dict[str, Curve] = {}
    sys.stdout.write(f"{'s':>7} {'MB at start':>11} {'highest':>8} {'after a tenth':>13}\n")
    for job in JOBS:
        if job.name not in args.only:
            continue
        title = job.title.format(**vars(args))
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            save_model(folder / "small.safetensors", UpscaleModel.create("espcn_7", scale=2, widths=[4, 4]))
            curves[title] = curve = measure(job.prepare(folder, args), folder)
        sys.stdout.write(
            f"{curve.seconds[-1]:7.1f} {curve.mb[0]:11.0f} {max(curve.mb):8.0f} {curve.growth:+13.1f}  {title}\n"
        )
        sys.stdout.flush()
    if args.chart is not None:
        draw(curves, args.chart)
    return 0


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The memory of long jobs.")
    parser.add_argument("--pictures", type=int, default=10_000, help="(default: %(default)s)")
    parser.add_argument("--frames", type=int, default=2000, help="of the animation (default: %(default)s)")
    parser.add_argument("--format", default="png", help="of the animation's result (default: %(default)s)")
    parser.add_argument("--width", type=int, default=16384, help="of the large picture (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=500, help="of the workflow (default: %(default)s)")
    names = [job.name for job in JOBS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="jobs to run (default: all)")
    parser.add_argument("--chart", type=Path, metavar="PNG", help="draw the curves (needs matplotlib)")
    return parser.parse_args(arguments)


def measure(code: str, folder: Path) -> Curve:
    """Run Python in a folder and read its memory until it ends. Raises SystemExit where it fails."""
    # A process finds Senga as this one did.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    errors = folder / "errors.txt"
    with errors.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(
            [sys.executable, "-c", START + code], cwd=folder, stdout=subprocess.DEVNULL, stderr=stream, env=environment
        )
    seconds: list[float] = []
    mb: list[float] = []
    begin = 0.0
    while process.poll() is None:
        if begin or errors.read_text(encoding="utf-8").startswith(READY):
            begin = begin or time.monotonic()
            if pages := resident_pages(process.pid):
                seconds.append(time.monotonic() - begin)
                mb.append(pages * PAGE / 1e6)
        time.sleep(EVERY)
    if process.returncode or not mb:
        raise SystemExit(f"a job ended with {process.returncode}: {errors.read_text(encoding='utf-8')[-2000:]}")
    return Curve(seconds, mb)


def resident_pages(process: int) -> int:
    """0 for a process that has ended."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0


def draw(curves: dict[str, Curve], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5), dpi=100)
    for title, curve in curves.items():
        axes.plot([100 * second / curve.seconds[-1] for second in curve.seconds], curve.mb, label=title)
    axes.set(xlabel="done (% of the time)", ylabel="resident memory (MB)", ylim=(0, None), xlim=(0, 100))
    axes.legend(loc="lower right")
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path)


if __name__ == "__main__":
    sys.exit(main())
