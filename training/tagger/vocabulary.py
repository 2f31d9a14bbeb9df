"""Which tags a tagger learns: the most frequent ones, under their present names, counted by DuckDB."""

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import duckdb

from ...arch import SengaError
from .database import rating_names, said
from .settings import DataSettings

PICTURES = """
create view pictures as
select * replace (case when split is not null then split when share('split:' || kin) < $test then 'test'
                       when share('split:' || kin) < $test + $val then 'val' else 'train' end as split)
from posts
"""
# One line a picture and tag. Tags that came without a category get the one that the list of categories names (those of
# other categories, such as artists, are dropped), and are general where it does not name them.
LABELS = """
create view given as
select post, split, unnest(general) as tag, 'general' as category from pictures
union all select post, split, unnest(character), 'character' from pictures
union all
select post, split, tag, coalesce(c.category, 'general')
from (select post, split, unnest(mixed) as tag from pictures) left join categories c using (tag)
where coalesce(c.category, 'general') in ('general', 'character')
"""
# With aliases and implications: every tag under its present name, and whatever it brings with it, once.
IMPLIED = """
create table labels as
select distinct post, split, coalesce(c.consequent, g.tag) as tag, category
from given g left join closure c on g.tag = c.antecedent
"""
TALLY = "create table tally as select tag, category, count(*) filter (split = 'train') as n from labels group by all"
VOCABULARY = """
create table counted as
select * from tally where n >= $min_count and tag not in (select unnest($ratings))
qualify row_number() over (partition by tag order by n desc, category) = 1
"""
# Sorted by category, then by how often a tag is seen: the same counts give the same numbers.
CHOSEN = """
create table vocabulary as
select (row_number() over (order by category = 'character', n desc, tag) - 1)::integer as tag_id, tag, category, n
from (select *, row_number() over (partition by category order by n desc, tag) as place from counted)
where place <= case category when 'general' then $general else $characters end
"""
Tally = list[tuple[str, str, int]]  # tag, category, training pictures that have it


def read_pairs(database: duckdb.DuckDBPyConnection, path: str, columns: tuple[str, str]) -> list[tuple[str, str]]:
    """Two columns of a CSV or of JSON lines, as text. Raises SengaError if they are not there."""
    if not path:
        return []
    reader = "read_csv($path, all_varchar = true)" if ".csv" in Path(path).suffixes else "read_json($path)"
    a, b = columns
    try:
        found = database.execute(
            f"select distinct {a}::varchar, {b}::varchar from {reader} order by all", {"path": path}
        )
        return found.fetchall()
    except duckdb.Error as error:
        raise SengaError(f"{path}: expected CSV or JSON lines with {a} and {b} ({said(error)})") from error


def closure(aliases: list[tuple[str, str]], implications: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Tag -> each tag that replaces it, itself among them unless it is an alias. Loops end where they began."""
    renamed = dict(aliases)
    onward: dict[str, set[str]] = {}
    for antecedent, consequent in implications:
        onward.setdefault(renamed.get(antecedent, antecedent), set()).add(renamed.get(consequent, consequent))
    pairs = []
    for tag in {*renamed, *onward}:
        reached, ahead = set(), [renamed.get(tag, tag)]
        while ahead:
            current = ahead.pop()
            if current not in reached:
                reached.add(current)
                ahead += onward.get(current, ())
        pairs += [(tag, other) for other in reached]
    return sorted(pairs)


def add_up(parts: Iterable[Tally]) -> Tally:
    """The counts of several parts of a set."""
    total: Counter[tuple[str, str]] = Counter()
    for tag, category, n in (row for part in parts for row in part):
        total[tag, category] += n
    return sorted((tag, category, n) for (tag, category), n in total.items())


def choose_vocabulary(
    database: duckdb.DuckDBPyConnection, settings: DataSettings, summed: Callable[[Tally], Tally] | None = None
) -> None:
    """The table `vocabulary`: the most frequent tags of the training pictures, numbered."""
    words = {"0": "general", "4": "character", "general": "general", "character": "character"}
    categories = read_pairs(database, settings.categories, ("name", "category"))
    aliases, implications = (
        read_pairs(database, path, ("antecedent_name", "consequent_name"))
        for path in (settings.aliases, settings.implications)
    )
    pairs = closure(aliases, implications)
    tables = {
        "categories (tag varchar, category varchar)": [(name, words.get(kind, kind)) for name, kind in categories],
        "closure (antecedent varchar, consequent varchar)": pairs,
    }
    for table, rows in tables.items():
        database.execute(f"create table {table}")
        if rows:
            left, right = (list(column) for column in zip(*rows, strict=True))
            database.execute(f"insert into {table.split()[0]} select unnest($1), unnest($2)", [left, right])
    # A view takes no parameters.
    database.execute(PICTURES.replace("$test", str(settings.test)).replace("$val", str(settings.val)))
    database.execute(LABELS)
    database.execute(IMPLIED if pairs else "create view labels as select * from given")
    database.execute(TALLY)
    if summed:
        columns = zip(*summed(database.execute("select * from tally").fetchall()), strict=True)
        rows = [list(column) for column in columns] or [[], [], []]
        database.execute("delete from tally")
        database.execute(
            "insert into tally select unnest($1::varchar[]), unnest($2::varchar[]), unnest($3::bigint[])", rows
        )
    ratings = list(rating_names(settings.ratings))  # a tag of such a name would be there twice
    database.execute(VOCABULARY, {"min_count": settings.min_count, "ratings": ratings})
    database.execute(CHOSEN, {"general": settings.general, "characters": settings.characters})
