"""How fast these networks run, here and in other programs: all in one run, one after another in each round.

    python -m benchmarks.speed
    python -m benchmarks.speed --sides 256 512 1024 --rounds 5 --write-docs

Four kinds of pictures: a dense painting, a page of line art, a sprite on transparency (the peers, which know no alpha,
run its colours alone; Senga both), and video-like frames with a still ground (each frame by itself in the peers). Tiles
that Senga need not compute twice show in the last three.

Run it from the repository root, with the extras `fast`, `export`, `models` and `bench`; ComfyUI's node takes part where
`$COMFYUI_PATH` or the tests' cache has a ComfyUI. Every peer is a process of its own with the same threads, picture and
weights (ncnn: weights of its own for the same network). Only one works at a time; the median of the rounds counts. The
first picture, which includes all preparation, is a column of its own.

A round that takes long is repeated less often, and sides at which it would take longer than --longest are left out, so
that the whole ends in 20 minutes on two cores. Where the processor does not multiply bf16 numbers, torch and OpenVINO
emulate them twenty times as slowly; Senga then computes in float32, and the rows of bf16 are left out.
"""

import argparse
import json
import logging
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from senga.arch import SengaError, load_upscaler
from torch.utils.flop_counter import FlopCounterMode

from . import speed_page
from .command import exit_code
from .speed_pictures import BY_NAME, PICTURES

logger = logging.getLogger("senga")

ROOT = Path(__file__).resolve().parent.parent
WORKER = Path(__file__).with_name("speed_worker.py")
MODELS = ("senga_rrdb_6b_x4", "senga_compact_x2", "senga_dcscn_12_x2")
REFERENCE = "Senga, no engine, fp32"
ENGINES = ("Senga, ncnn", "Senga, OpenVINO")  # one of them is as Senga, where it is installed
PEERS = (
    "Senga",
    "Senga, torch",
    "Senga, no engine",
    REFERENCE,
    "ComfyUI's node",
    "onnxruntime",
    "ncnn",
    "OpenVINO fp32",
    "OpenVINO bf16",
)
ENOUGH = 45.0  # seconds for a picture, after which no further round begins
MATMUL = 2048  # side of the matrices that give the processor's peak

Pictures = NDArray[np.float32]  # (frames, H, W, C) in [0, 1]


@dataclass
class Result:
    """One peer on one picture."""

    seconds: list[float] = field(default_factory=list)  # of each round
    first: float = 0.0  # of the first picture, with whatever is prepared for it
    memory: float = 0.0  # megabytes beyond those before the first picture
    psnr: float | None = None  # dB against the reference
    worst: float | None = None  # levels of 255
    saved: float = 0.0  # share of the pixels that did not need the network

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class Row:
    model: str
    picture: str  # a name of speed_pictures
    side: int  # of the square picture
    peer: str
    outputs: float  # megapixels
    share: float  # of the matmul peak
    result: Result

    @property
    def cost(self) -> float:
        """Seconds for an output megapixel."""
        return self.result.median / self.outputs


class Worker:
    """A peer's process."""

    def __init__(self, peer: str, model: Path, threads: int, folder: Path) -> None:
        self.peer, self.folder = peer, folder
        python, environment = sys.executable, {"SPEED_FOLDER": str(folder), "OMP_NUM_THREADS": str(threads)}
        if peer == "ComfyUI's node":
            python, tree = comfyui()
            environment["COMFYUI_PATH"] = str(tree)
        else:
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        self.log = (folder / f"{peer}.log").open("w", encoding="utf-8")
        self.process = subprocess.Popen(
            [python, str(WORKER), peer, str(model), str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=os.environ | environment,
        )
        self.before = 0.0

    def wait_until_ready(self) -> None:
        """Raises SengaError where the peer cannot run the network."""
        self.before = self.answer()["peak"]

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            last = Path(self.log.name).read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise SengaError(f"{self.peer}: {''.join(last) or 'the process ended'}")
        return json.loads(line)

    def run(self, picture: Path) -> tuple[float, float, float, Path]:
        """Seconds, the most memory in megabytes beyond the start's, the share of pixels saved, and the result."""
        assert self.process.stdin is not None
        target = self.folder / f"{self.peer}.npy"
        self.process.stdin.write(f"{picture}\t{target}\n")
        self.process.stdin.flush()
        answer = self.answer()
        return answer["seconds"], (answer["peak"] - self.before) / 1e6, answer["saved"], target

    def close(self) -> None:
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.wait(30)
        self.log.close()


def comfyui() -> tuple[str, Path]:
    """The Python and the tree of a ComfyUI. Raises SengaError where there is none."""
    cache = Path(os.environ.get("SENGA_CACHE") or Path.home() / ".cache" / "senga")
    python = Path(os.environ.get("COMFYUI_PYTHON") or cache / "comfyui-venv" / "bin" / "python")
    named = os.environ.get("COMFYUI_PATH")
    trees = [Path(named)] if named else sorted(main.parent for main in cache.glob("*/main.py"))
    if not python.is_file() or not trees:
        raise SengaError("no ComfyUI was found: set $COMFYUI_PATH and $COMFYUI_PYTHON, or run pytest -m comfy once")
    return str(python), trees[-1]


@dataclass(frozen=True)
class Plan:
    """What one run measures for each network."""

    pictures: Sequence[str]
    sides: Sequence[int]
    other_side: int
    frame_side: int
    frames: int
    rounds: int
    threads: int
    peers: Sequence[str]
    longest: float = math.inf  # seconds of a round

    def cases(self) -> list[tuple[str, int]]:
        """Picture and side, small ones first."""
        return [
            (name, side)
            for name in self.pictures
            for side in (
                sorted(self.sides) if name == "dense" else [self.frame_side if name == "frames" else self.other_side]
            )
        ]


def measure(model: str, plan: Plan) -> list[Row]:
    path = ROOT / "weights" / f"{model}.safetensors"
    net = load_upscaler(path)
    peak, work = matmul_peak(net), flops_per_pixel(net)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        workers = started(plan.peers, path, plan.threads, folder)
        each = 0.0  # seconds for a pixel of the dense picture, all peers together
        try:
            for picture, side in plan.cases():
                if each * side**2 > plan.longest:
                    logger.warning(
                        "%s: %s at %d is left out: a round would take %.0f s", model, picture, side, each * side**2
                    )
                    continue
                source = folder / f"{picture}_{side}.npy"
                drawn = BY_NAME[picture].make(side, plan.frames)
                np.save(source, drawn)
                pixels = len(drawn) * side**2
                results = compared(workers, source, plan.rounds)
                if picture == "dense":
                    each = sum(result.median for result in results.values()) / side**2
                for peer, result in results.items():
                    share = work * pixels / result.median / peak
                    rows.append(Row(model, picture, side, peer, pixels * net.scale**2 / 1e6, share, result))
                    logger.info("%s %s %d %s: %.3f s/outMP", model, picture, side, peer, rows[-1].cost)
        finally:
            for worker in workers:
                worker.close()
    return rows


def started(peers: Sequence[str], model: Path, threads: int, folder: Path) -> list[Worker]:
    """The peers that can run the network; they load it side by side."""
    begun: list[Worker] = []
    ready: list[Worker] = []
    for peer in peers:
        try:
            begun.append(Worker(peer, model, threads, folder))
        except SengaError as error:
            logger.warning("%s: left out (%s)", model.stem, error)
    for worker in begun:
        try:
            worker.wait_until_ready()
            ready.append(worker)
        except SengaError as error:
            worker.close()
            logger.warning("%s: left out (%s)", model.stem, error)
    return ready


def compared(workers: list[Worker], picture: Path, rounds: int) -> dict[str, Result]:
    results = {worker.peer: Result() for worker in workers}
    began = time.perf_counter()
    for i in range(rounds + 1):
        if i > 1 and time.perf_counter() - began > ENOUGH:
            break
        pictures: dict[str, Path] = {}
        for worker in workers:
            result = results[worker.peer]
            seconds, result.memory, result.saved, pictures[worker.peer] = worker.run(picture)
            if i:
                result.seconds.append(seconds)
            else:
                result.first = seconds
        if not i and REFERENCE in pictures:
            expected = np.load(pictures[REFERENCE])
            for peer, file in pictures.items():
                if peer not in (REFERENCE, "ncnn"):
                    results[peer].psnr, results[peer].worst = difference(np.load(file), expected)
    return results


def difference(found: Pictures, expected: Pictures) -> tuple[float, float]:
    """dB and levels of the colours, where they can be seen."""
    error = found[..., :3].astype(np.float64) - expected[..., :3]
    if expected.shape[3] == 4:
        error = error[expected[..., 3] > 0]
    return -10 * float(np.log10(max(np.mean(error**2), 1e-20))), float(np.abs(error).max() * 255)


def flops_per_pixel(model: Any) -> float:
    """Floating-point operations for an input pixel, without borders and halos."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.model(torch.zeros(1, model.input_channels, 64, 64))
    return counter.get_total_flops() / 64**2


def matmul_peak(model: Any) -> float:
    """Floating-point operations a second in the arithmetic that `auto` picks."""
    from senga.arch.precision import DTYPES, pick_precision

    dtype = DTYPES[pick_precision("auto", torch.device("cpu"), half=True, bf16=model.supports_bfloat16)]
    a = torch.rand(MATMUL, MATMUL).to(dtype)
    times: list[float] = []
    for _ in range(5):
        began = time.perf_counter()
        torch.matmul(a, a)
        times.append(time.perf_counter() - began)
    return 2 * MATMUL**3 / min(times)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--models", nargs="+", default=list(MODELS), metavar="NAME", help="files of weights/")
    parser.add_argument("--sides", nargs="+", type=int, default=[256, 512], help="sides of the pictures")
    names = [kind.name for kind in PICTURES]
    parser.add_argument("--pictures", nargs="+", default=names, choices=names, help="dense is measured at every side")
    parser.add_argument("--other-side", type=int, default=256, help="of page and sprite (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=16, help="of the video-like picture (default: %(default)s)")
    parser.add_argument("--frame-side", type=int, default=96, help="of such a frame (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="the most, of which the median counts")
    parser.add_argument(
        "--longest", type=float, default=120, help="seconds of a round, beyond which a side is left out (%(default)s)"
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--peers", nargs="+", default=list(PEERS), choices=[*PEERS, *ENGINES])
    parser.add_argument("--write-docs", action="store_true", help="write docs/performance.md and its chart")
    return exit_code(benchmark, parser.parse_args(argv), logging.INFO)


def benchmark(args: argparse.Namespace) -> None:
    peers = list(args.peers)
    bf16 = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    if not bf16:
        peers = [peer for peer in peers if peer not in ("OpenVINO bf16", "Senga, no engine")]  # equal to those in fp32
    torch.set_num_threads(args.threads)
    plan = Plan(
        pictures=args.pictures,
        sides=args.sides,
        other_side=args.other_side,
        frame_side=args.frame_side,
        frames=args.frames,
        rounds=args.rounds,
        threads=args.threads,
        peers=peers,
        longest=args.longest,
    )
    rows = [row for model in args.models for row in measure(model, plan)]
    text = speed_page.tables(rows)
    sys.stdout.write(text)
    if args.write_docs:
        speed_page.write(ROOT / "docs", rows, args.threads, bf16=bf16)


if __name__ == "__main__":
    raise SystemExit(main())
