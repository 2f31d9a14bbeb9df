"""How fast, and in how much memory, Danbooru's metadata become a vocabulary and an index: on made posts, streamed.

    python -m benchmarks.danbooru_vocabulary
    python -m benchmarks.danbooru_vocabulary --rows 4900000 --memory 1

The posts have the shape of real ones: 30 tags on the average, drawn by a Zipf law from 100,000 general tags and 40,000
characters, in the JSON of the 2021 dump. Prints the rows a second of each stage and the process's peak memory.
"""

import argparse
import json
import logging
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from senga.training.tagger.danbooru import read_danbooru
from senga.training.tagger.database import open_database
from senga.training.tagger.index import number
from senga.training.tagger.settings import DataSettings
from senga.training.tagger.vocabulary import choose_vocabulary

logger = logging.getLogger("senga")

BLOCK = 10_000
GENERAL, CHARACTERS = 100_000, 40_000


def zipf(rng: np.random.Generator, names: int, shape: tuple[int, ...]) -> np.ndarray:
    """Ranks from 0, the k-th about as often as 1/k."""
    return np.minimum(np.exp(rng.random(shape) * np.log(names)).astype(int), names) - 1


def posts(rows: int, seed: int = 1) -> Iterator[str]:
    """Lines of JSON, BLOCK at a time."""
    rng = np.random.default_rng(seed)
    for begin in range(0, rows, BLOCK):
        general, characters = zipf(rng, GENERAL, (BLOCK, 36)), zipf(rng, CHARACTERS, (BLOCK, 2))
        letters, parents = rng.integers(0, 3, BLOCK), rng.random(BLOCK)
        lines = []
        for row in range(min(BLOCK, rows - begin)):
            identity = begin + row + 1
            names = " ".join(f"general_tag_{rank}" for rank in sorted(set(general[row].tolist())))
            people = " ".join(f"character_{rank}_(series)" for rank in sorted(set(characters[row].tolist())))
            post = {
                "id": identity,
                "created_at": "2021-01-01T00:00:00.000-05:00",
                "score": 7,
                "source": f"https://example.org/artworks/{identity}",
                "md5": f"{identity:032x}",
                "rating": "sqe"[letters[row]],
                "image_width": 1200,
                "image_height": 1600,
                "tag_string": f"{names} {people} somebody",
                "file_ext": "jpg",
                "parent_id": identity - 1 if parents[row] < 0.1 and identity > 1 else None,
                "is_deleted": False,
                "tag_string_general": names,
                "tag_string_character": people,
                "tag_string_artist": "somebody",
            }
            lines.append(json.dumps(post))
        yield "\n".join(lines) + "\n"


def peak_mib() -> float:
    """Most memory this process has held; ru_maxrss counts KiB on Linux and bytes on macOS."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def measure(rows: int, settings: DataSettings, folder: Path) -> list[str]:
    """Lines to print. `folder` receives the metadata and the database."""
    (folder / "metadata").mkdir()
    with (folder / "metadata" / "posts.json").open("w", encoding="utf-8") as file:
        file.writelines(posts(rows))
    begun = peak_mib()
    size = (folder / "metadata" / "posts.json").stat().st_size
    database = open_database(folder / "tags.duckdb", settings.memory_gib)
    index: list[Any] = []
    stages: dict[str, Callable[[], object]] = {
        "read the metadata": lambda: read_danbooru(database, settings, check_files=False),
        "count and choose": lambda: choose_vocabulary(database, settings),
        "number the tags": lambda: index.append(number(database, settings)),
    }
    lines = [f"{rows:,} posts, {size / 2**20:,.0f} MiB of JSON; peak memory so far {begun:.0f} MiB"]
    for name, stage in stages.items():
        start = time.perf_counter()
        stage()
        seconds = time.perf_counter() - start
        lines.append(f"{name:18} {seconds:6.1f} s {rows / seconds:10,.0f} rows/s   peak memory {peak_mib():6,.0f} MiB")
    database.close()
    tags = index[0]
    lines.append(f"{len(tags.names):,} tags; {len(tags.tags):,} numbered on {len(tags):,} posts")
    return lines


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.danbooru_vocabulary", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--memory", type=float, default=0.5, help="GiB that DuckDB may hold")
    parser.add_argument("--scratch", type=Path, help="folder for the made metadata (1.3 GiB for a million rows)")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        settings = DataSettings("danbooru", folder, metadata=["metadata/posts.json"], memory_gib=args.memory)
        sys.stdout.write("\n".join(measure(args.rows, settings, Path(folder))) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
