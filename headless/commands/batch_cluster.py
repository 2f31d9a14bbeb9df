"""`--cluster`: the same work on many machines. Workers run `run_jobs` on units; the driver counts and reports."""

import argparse
import os
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

from ..cluster.engine import AUTO, LOCAL, Share, connected, counted, machines, outcomes
from ..cluster.listing import check_inputs, listed
from ..cluster.members import is_shard
from ..cluster.places import entries, is_url
from ..cluster.shards import ENDINGS, PARQUET, PICTURES, WEBDATASET
from ..cluster.tally import Report, Tally
from ..cluster.units import Item, units
from ..errors import UsageError, amount
from ..log import logger
from ..progress import progress_line
from .batch import check_workers
from .batch_worker import PictureWorker, Prepare, as_text, enter

TEXTS = (".txt", ".csv", ".json")  # of `senga tag`


def add_cluster(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("many machines")
    group.add_argument(
        "--cluster",
        metavar="WHERE",
        help=f"share the work out by Ray: {AUTO} (the cluster of this machine), HOST:PORT, or {LOCAL} (this machine"
        " alone); IN may then be WebDataset shards (.tar) and URLs too, and @FILE, a list of all these (default: no"
        " cluster)",
    )
    group.add_argument(
        "--cluster-cpus",
        type=int,
        metavar="N",
        help="CPUs, and threads, of each worker of --cluster (1 or more; default: 4, or what the machines have)",
    )
    group.add_argument(
        "--shards",
        choices=(WEBDATASET, PARQUET),
        help=f"with --cluster: put results into shards in OUT, {WEBDATASET} (tar files) or, of `senga tag`, {PARQUET}"
        " (default: a file each)",
    )


def on_cluster(args: argparse.Namespace, shards: Collection[str] = (WEBDATASET,)) -> bool:
    """Whether `--cluster` is given; `shards` are those that the command can write. Raises UsageError."""
    if args.cluster is None:
        for option, value in (("--shards", args.shards), ("--cluster-cpus", args.cluster_cpus)):
            if value is not None:
                raise UsageError(f"{option} {value}: is for --cluster, and there is none; add `--cluster {LOCAL}`")
        return False
    if args.cluster_cpus is not None and args.cluster_cpus < 1:
        raise UsageError(f"--cluster-cpus {args.cluster_cpus}: expected 1 or more")
    if args.shards is not None and args.shards not in shards:
        raise UsageError(f"--shards {args.shards}: holds tags, not pictures; use {' or '.join(shards)}")
    return True


def run_on_cluster(args: argparse.Namespace, prepare: Prepare, endings: Sequence[str]) -> int:
    """Do all pictures on the machines of `--cluster`, and return the exit code. Raises UsageError, SengaError."""
    check_workers(args.workers)
    check_inputs(args.pictures)
    settings = prepare(args, {}).settings  # a fault in the options is said here, once
    out = _output(args, endings)
    plain = argparse.Namespace(**{key: value for key, value in vars(args).items() if key not in ("command", "parser")})
    here = str(Path.cwd())
    most = PICTURES[args.shards or ""]
    list_units = partial(_units, here, tuple(args.pictures), out, tuple(endings), most, recursive=args.recursive)
    begin = partial(PictureWorker, here, prepare, plain, as_text(settings))
    network, device = "device" in vars(args), vars(args).get("device")
    results = sys.stdout  # Ray's own messages, of lost machines say, go to the error stream
    with redirect_stdout(sys.stderr), connected(args.cluster) as ray:
        share = Share.of(machines(ray), args.cluster_cpus, network=network, gpu=device != "cpu")
        total = counted(ray, list_units)
        with progress_line() as line, Report(Path("." if out is None or is_url(out) else out)) as report:
            tally = Tally(line, total, report, results)
            for outcome in outcomes(ray, list_units, begin, share):
                tally.add(outcome)
            code = tally.end()
        if out is not None and args.shards is not None and not tally.lost:
            _warn_of_older(out, args.shards, tally.shards)
        return code


def _output(args: argparse.Namespace, endings: Sequence[str]) -> str | None:
    """Where results belong. Raises UsageError."""
    out = None if args.output is None else str(args.output)
    if out is None and args.shards is not None:
        raise UsageError(f"--shards {args.shards}: needs an output; name a folder or a URL with -o")
    if out is None and any(is_url(text) or is_shard(text) for text in args.pictures):
        raise UsageError("--cluster: pictures in shards or an object store need an output; name one with -o")
    if out is not None and Path(out).is_file():
        raise UsageError(f"-o {out}: this is a file; with --cluster name a folder")
    named = out is not None and not out.endswith(("/", os.sep)) and not Path(out).is_dir()
    if out is not None and named and Path(out).suffix.lower() in (*endings, *TEXTS):
        raise UsageError(f"-o {out}: is the name of a file; with --cluster name a folder, or end its name in /")
    return out


def _units(
    where: str, inputs: Sequence[str], out: str | None, endings: Sequence[str], most: int, *, recursive: bool
) -> Iterator[list[Item]]:
    enter(where)
    yield from units(listed(inputs, out, endings, recursive=recursive), most)


def _warn_of_older(out: str, kind: str, shards: Collection[str]) -> None:
    """Say which shards are of earlier calls: a reader of all would find pictures twice, or some that are gone."""
    names = [entry.name for entry in entries(out)] if is_url(out) else [path.name for path in Path(out).glob("senga_*")]
    older = sorted(name for name in names if name.endswith(ENDINGS[kind]) and name not in shards)
    if older:
        logger.warning(
            "%s: %s of earlier calls, for other pictures; remove what is not needed, or keep it elsewhere (%s%s)",
            out,
            amount(len(older), "shard"),
            ", ".join(older[:5]),
            "..." if older[5:] else "",
        )
