"""The DuckDB database in which tagged pictures are counted, whatever they come from."""

from pathlib import Path

import duckdb

from ...arch.errors import brief

# What the tagger's data needs to know of a picture. `kin` is equal for near-duplicates, which must not be parted
# between training and test. `mixed` are tags without a category so far, `unknown` tags whose label is not
# known. Where `known` has tags, the labels of all others are unknown.
POSTS = """
create table posts (
    post bigint, file varchar, kin varchar, split varchar, source varchar, style varchar, licence varchar,
    rating varchar, general varchar[], character varchar[], mixed varchar[], unknown varchar[], known varchar[]
)"""
WORDS = "create temp macro words(text) as list_distinct([w for w in string_split(text, ' ') if w <> ''])"
# A number in [0, 1) that depends on the text alone (MD5 is the same in every version of DuckDB).
SHARE = "create temp macro share(text) as (md5_number_lower(text) % 1000000) / 1000000.0"

# `data.ratings` -> what each of Danbooru's letters means. `s` was safe until 2022 and is sensitive since.
RATINGS = {
    3: {"g": "safe", "s": "safe", "q": "questionable", "e": "explicit"},
    4: {"g": "general", "s": "sensitive", "q": "questionable", "e": "explicit"},
}


def rating_names(ratings: int) -> tuple[str, ...]:
    return tuple(dict.fromkeys(RATINGS.get(ratings, {}).values()))


def said(error: duckdb.Error) -> str:
    """What DuckDB says of a file, in short and on one line: it quotes the file's lines, and options of its own."""
    return brief(" ".join(str(error).split()), 200)


def open_database(path: Path, memory_gib: float) -> duckdb.DuckDBPyConnection:
    """A new database in a file, with the empty table `posts`. Beyond its memory it goes on in files next to `path`."""
    path.unlink(missing_ok=True)
    database = duckdb.connect(
        path,
        config={
            "memory_limit": f"{memory_gib * 1024:.0f}MiB",
            "temp_directory": f"{path}.spill",
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,  # nothing is downloaded
        },
    )
    for statement in (POSTS, WORDS, SHARE):
        database.execute(statement)
    return database
