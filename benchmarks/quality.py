"""Our upscalers, the peers and plain filters on the same pictures, by the same code.

    python -m benchmarks.quality                                     # every upscaler in weights/, x2 and x4
    python -m benchmarks.quality --models my.safetensors --metrics psnr ssim --limit 40
    python -m benchmarks.quality --crops sheets --csv scores.csv --write-docs

Run it from the repository root, with the set that `senga data build-art` writes. The
first run computes what the peers make of each picture and keeps it; later ones compute what is new. docs/quality.md
says what is measured.
"""

import argparse
import csv
import multiprocessing
import shlex
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import torch
from senga.arch import SengaError
from senga.training.sr.pictures.picture_set import evenly
from tqdm import tqdm

from . import quality_bf16, quality_crops
from .command import exit_code
from .docs_tables import QUALITY, write_docs
from .quality_contenders import ROOT, Cache, Contender, Runner, Score, filters, ours, peers, run, shipped
from .quality_metrics import METRICS
from .quality_pictures import CONDITIONS, Pair, Source, load_pictures, make_pair
from .quality_table import Table, groups, leads, means

BF16_PEERS = ("x4plus-anime",)


def score_all(work: Sequence[tuple[Contender, list[Pair]]], metrics: list[str], cache: Path, jobs: int) -> list[Score]:
    """The scores in the order of the work, whatever finishes first. `jobs` > 1 are processes of one thread each."""
    bar = tqdm(total=len(work), unit="model", leave=False)
    results: dict[int, list[Score]] = {}
    if jobs == 1:
        for i, (contender, pairs) in enumerate(work):
            bar.set_description(f"x{contender.scale} {contender.name}")
            results[i] = run(contender, pairs, metrics, cache)
            bar.update()
    else:
        with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
            waiting = {pool.submit(run, *entry, metrics, cache): i for i, entry in enumerate(work)}
            for future in as_completed(waiting):
                results[waiting[future]] = future.result()
                bar.update()
    bar.close()
    return [score for i in range(len(work)) for score in results[i]]


def contenders(args: argparse.Namespace) -> list[Contender]:
    """Filters, peers and ours of each scale asked for, in that order."""
    own = ours(args.models or shipped(), args.precision)
    scales = args.scale or sorted({2, 4} | {contender.scale for contender in own})
    found: list[Contender] = []
    for scale in scales:
        found += filters(scale) + peers(args.peers, scale) + [c for c in own if c.scale == scale]
    return found


def tables(scores: Sequence[Score], metrics: Iterable[str], by_domain: Iterable[str]) -> list[Table]:
    found: list[Table] = []
    for scale in sorted({score.scale for score in scores}):
        some = [score for score in scores if score.scale == scale]
        for metric in metrics:
            found.append(means(some, metric, f"x{scale}: "))
            lead = leads(some, metric, f"x{scale}: ")
            found += [] if lead is None else [lead]
            found += [groups(some, metric, condition, f"x{scale}: ") for condition in by_domain]
    return found


def write_csv(path: Path, scores: Sequence[Score]) -> None:
    """A line for each contender, condition and picture."""
    columns = sorted({column for score in scores for column in score.values})
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["scale", "condition", "picture", "domain", "side", "name", *columns])
        for s in scores:
            values = (f"{s.values[column]:.6g}" if column in s.values else "" for column in columns)
            writer.writerow([s.scale, s.condition, s.picture, s.group, s.side, s.name, *values])


def command_line(args: argparse.Namespace) -> str:
    """The options that the numbers depend on where they are not the default, files by their place in the repository."""
    words: list[str] = []
    for name in (
        "models",
        "scale",
        "conditions",
        "peers",
        "metrics",
        "limit",
        "precision",
        "drawn",
        "by_domain",
        "bf16",
    ):
        value = getattr(args, name)
        if value == getattr(parse([]), name):
            continue
        words.append("--" + name.replace("_", "-"))
        if name == "models":
            value = [
                path.resolve().relative_to(ROOT) if path.resolve().is_relative_to(ROOT) else path.name for path in value
            ]
        words += [] if value is True else [str(v) for v in (value if isinstance(value, list) else [value])]
    for item in args.set:  # whose folders are not in the repository
        domain, _, folder = item.partition("=")
        words += ["--set", f"{domain}={Path(folder).name}"]
    return shlex.join(["python", "-m", "benchmarks.quality", *words])


def describe(sources: Sequence[Source]) -> str:
    sizes: dict[str, int] = {}
    for source in sources:
        sizes[source.group] = sizes.get(source.group, 0) + 1
    kinds = ", ".join(f"{group} {count}" for group, count in sorted(sizes.items()))
    height, width = sources[0].picture.shape[:2]
    return f"{len(sources)} pictures of {width}x{height} pixels ({kinds})"


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--models", nargs="+", type=Path, metavar="FILE", help="weights of ours; default: all in weights/"
    )
    parser.add_argument(
        "--data", type=Path, default=ROOT / "data" / "art", metavar="DIR", help="a set with manifest.csv"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="DOMAIN=DIR", help="also a folder of pictures, as a domain"
    )
    parser.add_argument("--drawn", action="store_true", help="also the procedural domains, patterns and lines")
    parser.add_argument("--scale", type=int, nargs="+", help="default: 2, 4 and those of the models")
    parser.add_argument("--conditions", nargs="+", choices=CONDITIONS, default=list(CONDITIONS))
    parser.add_argument(
        "--peers", nargs="+", default=["usual"], metavar="NAME", help="names or patterns, or usual, all, none"
    )
    parser.add_argument(
        "--metrics", nargs="+", choices=METRICS, default=["psnr", "ssim", "ssimulacra2", "flip", "shift"],
        help="psnr and ssim alone take a tenth of the time",
    )  # fmt: skip
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="so many pictures, evenly spread; 0: all")
    parser.add_argument(
        "--precision", choices=("fp32", "bf16", "auto"), default="fp32", help="of ours; peers have fp32"
    )
    parser.add_argument("--by-domain", nargs="+", choices=CONDITIONS, default=[], help="also tables by domain")
    parser.add_argument("--bf16", action="store_true", help="also how far bf16 inference is from fp32")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="every score of every picture")
    parser.add_argument("--crops", type=Path, metavar="DIR", help="write side-by-side sheets")
    parser.add_argument("--sheets", type=int, default=6, metavar="N", help="pictures on sheets, for each condition")
    parser.add_argument("--markdown", action="store_true", help="print markdown instead of text")
    parser.add_argument("--write-docs", action="store_true", help="put the tables into docs/quality.md")
    parser.add_argument("--cache", type=Path, default=ROOT / "runs" / "quality", metavar="DIR", help="kept outputs")
    parser.add_argument("--jobs", type=int, default=1, help="processes of one thread")
    return parser.parse_args(argv)


def benchmark(args: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    unknown = [name for name in args.by_domain if name not in args.conditions]
    if unknown:
        raise SengaError(f"--by-domain {unknown[0]} is not among --conditions {' '.join(args.conditions)}; add it")
    sets = {domain: folder for domain, _, folder in (item.partition("=") for item in args.set)}
    sources = load_pictures(args.data, args.limit, sets, args.drawn)
    rivals = contenders(args)
    pairs = {
        scale: [make_pair(source, scale, condition) for condition in args.conditions for source in sources]
        for scale in sorted({contender.scale for contender in rivals})
    }
    scores = score_all([(c, pairs[c.scale]) for c in rivals], args.metrics, args.cache, args.jobs)
    made = tables(scores, args.metrics, args.by_domain)
    if args.bf16:
        clean = {scale: [make_pair(s, scale, "clean") for s in sources] for scale in {*pairs, 4}}
        made.append(quality_bf16.table([Path(c.what) for c in rivals if c.side == "ours"], BF16_PEERS, clean))
    text = describe(sources) + "\n\n"
    sys.stdout.write(text + "\n".join(t.as_markdown() if args.markdown else t.as_text() for t in made))
    if args.csv:
        write_csv(args.csv, scores)
    if args.crops:
        shown = {source.name for source in evenly(sources, args.sheets)}
        for scale, some in pairs.items():
            runners = [Runner(c, Cache(args.cache)) for c in rivals if c.scale == scale]
            for pair in some:
                if pair.source.name in shown:
                    quality_crops.write(args.crops, pair, runners)
    if args.write_docs:
        write_docs(QUALITY, command_line(args), text + "\n".join(table.as_markdown() for table in made))


def main(argv: Sequence[str] | None = None) -> int:
    return exit_code(benchmark, parse(argv))


if __name__ == "__main__":
    sys.exit(main())
