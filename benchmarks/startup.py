"""How long Senga takes to start: inside ComfyUI, for `senga --help`, before the first pixel, for a folder that is done.

    python -m benchmarks.startup
    python -m benchmarks.startup --pictures 100 --rounds 3

Run it from the repository root. Each time is measured in a process of its own, several times, and the median is
printed, as it is on the clock and on the processor: on a busy machine the second says more. Python writes its compiled
files in the first round, which does not count. "Beyond imports" leaves out what torch, numpy, Pillow and Senga's own
modules take to import.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from senga.arch import UpscaleModel, save_model

SIDE = 32  # pixels of the pictures in the folder
# What ComfyUI has imported before it comes to a custom node.
LOADED = "import torch, numpy, einops, safetensors.torch, PIL.Image, PIL.PngImagePlugin"
CLOCK = """
import sys, time
def now(): return time.perf_counter(), time.process_time()
def report(begin): sys.stderr.write("{:f} {:f}".format(*(b - a for a, b in zip(begin, now()))))
"""
QUIET = "import io; sys.stdout = io.StringIO(); begin = now()"


@dataclass(frozen=True)
class Case:
    name: str
    aim: float | None  # seconds
    code: str  # Python after CLOCK; it calls report(begin) once


def cases(folder: Path) -> list[Case]:
    one = ["upscale", str(folder / "in" / "0000.png"), "-o", str(folder / "one.png")]
    return [
        Case("torch, numpy and Pillow, for comparison", None, f"begin = now()\n{LOADED}\nreport(begin)"),
        Case(
            "import senga and its nodes, where those are loaded",
            0.2,
            f"{LOADED}\nbegin = now()\nimport senga\nsenga.NODE_CLASS_MAPPINGS\nreport(begin)",
        ),
        Case(
            "senga --help",
            None,
            f"{QUIET}\nfrom senga.headless.cli import main\ntry: main(['--help'])\nexcept SystemExit: report(begin)",
        ),
        Case(
            "senga upscale of one picture, from torch's import to the network's first call",
            1.5,
            f"""{LOADED}\n{QUIET}
from senga.headless.cli import main
import senga.headless.commands.upscale_work as command
def first(*_, **__): report(begin); sys.exit()
command.call_node = first
main({one!r})""",
        ),
        Case("senga upscale of a folder that is done, beyond imports", 1.0, again(folder)),
    ]


def again(folder: Path) -> str:
    return f"""
from senga.headless.cli import main
import senga.headless.commands.upscale
{QUIET}
code = main({job(folder)!r})
report(begin)
sys.exit(code)"""


def job(folder: Path) -> list[str]:
    return ["upscale", str(folder / "in"), "-o", str(folder / "out"), "--model", str(folder / "small.safetensors")]


def main(arguments: Sequence[str] | None = None) -> int:
    args = read_arguments(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw(folder / "in", args.pictures)
        # What is measured does not depend on the network; this one makes the folder's results quickly.
        save_model(folder / "small.safetensors", UpscaleModel.create("espcn_7", scale=2, widths=[4, 4]))
        measure(f"from senga.headless.cli import main\n{QUIET}\nmain({job(folder)!r})\nreport(begin)")
        sys.stdout.write(f"{'s':>7} {'cpu s':>7} {'aim':>5}  of {args.rounds} rounds; {args.pictures} pictures\n")
        for case in cases(folder):
            rounds = [measure(case.code) for _ in range(args.rounds + 1)][1:]
            clock, cpu = (statistics.median(times) for times in zip(*rounds, strict=True))
            aim = "" if case.aim is None else f"{case.aim:.1f}"
            sys.stdout.write(f"{clock:7.3f} {cpu:7.3f} {aim:>5}  {case.name}\n")
            sys.stdout.flush()
    return 0


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="How long Senga takes to start.")
    parser.add_argument("--pictures", type=int, default=500, help="in the folder that is done (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="whose median is printed (default: %(default)s)")
    return parser.parse_args(arguments)


def draw(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        levels = np.random.default_rng(number).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(levels).save(folder / f"{number:04}.png")


def measure(code: str) -> tuple[float, float]:
    """Seconds on the clock and on the processor that a process reports. Raises SystemExit where it fails."""
    done = subprocess.run([sys.executable, "-c", CLOCK + code], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"a process ended with {done.returncode}: {done.stderr[-2000:]}")
    clock, cpu = done.stderr.splitlines()[-1].split()
    return float(clock), float(cpu)


if __name__ == "__main__":
    sys.exit(main())
