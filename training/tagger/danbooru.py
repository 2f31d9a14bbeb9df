"""Danbooru's metadata (JSON lines, gzipped or not) as the table `posts` of a DuckDB database.

The dumps differ by year, and all of their forms are read:
    up to 2020   numbers as strings, `tags: [{name, category}]`, rating s (safe), q, e
    2021         the site's API: `tag_string_general`, `tag_string_character`, ... as well as `tag_string`
    since 2022   rating g (general), s (sensitive), q, e
Nothing here is held in memory: DuckDB streams the lines and spills to a file beyond its limit.
"""

from pathlib import Path

import duckdb

from ...arch import SengaError
from ...arch.files.reading import has_text_name
from .database import RATINGS, said
from .settings import DataSettings

COLUMNS = {
    "id": "BIGINT",
    "md5": "VARCHAR",
    "parent_id": "BIGINT",
    "rating": "VARCHAR",
    "file_ext": "VARCHAR",
    "tag_string": "VARCHAR",
    "tag_string_general": "VARCHAR",
    "tag_string_character": "VARCHAR",
    "tags": "STRUCT(name VARCHAR, category VARCHAR)[]",
}
READABLE = ("jpg", "jpeg", "png", "webp", "gif", "bmp")  # what Pillow opens; the rest are films and Flash

# One row a post. The condition on the id keeps the same share of the pictures on every machine and in every year.
READ = """
create table metadata as
select
    id as post, md5, nullif(parent_id, 0) as parent, lower(left(rating, 1)) as letter,
    {file} as file,
    case when tags is not null then [t.name for t in tags if t.category = '0']
         when tag_string_general is not null then words(tag_string_general) else [] end as general,
    case when tags is not null then [t.name for t in tags if t.category = '4']
         when tag_string_general is not null then words(coalesce(tag_string_character, '')) else [] end as character,
    case when tags is null and tag_string_general is null then words(coalesce(tag_string, '')) else [] end as mixed
from read_json($files, format = 'newline_delimited', columns = {columns})
where id is not null and {readable} and share('fraction:' || id) < $fraction
"""
# Posts that are near-duplicates by Danbooru's own word (parent and child) or the same file: pairs of an id and the
# least id known to be kin, until nothing changes any more.
EDGES = """
create temp table edges as
select post as a, parent as b from metadata where parent is not null
union all
select post, least_post from metadata
join (select md5, min(post) as least_post from metadata where md5 is not null group by md5 having count(*) > 1)
using (md5)
"""
LINKS = "create temp table links as select a, b from edges union select b, a from edges union select a, a from edges"
ROOTS = "create temp table roots as select a as post, min(b) as root from links group by a"
SPREAD = """
create temp table nearer as
select a as post, min(root) as root from links join roots on roots.post = links.b group by a
"""
CHANGED = "select count(*) from nearer join roots using (post) where nearer.root <> roots.root"

INSERT = """
insert into posts by name
select post, file, coalesce(root, post)::varchar as kin, 'danbooru' as source, general, character, mixed,
       [] as unknown, [] as known,
       {rating} as rating
from metadata left join roots using (post) {present}
"""


def file_of(layout: str) -> str:
    """SQL for the path of a post's picture, relative to the dataset's folder."""
    extension = "'jpg'" if layout == "512px" else "lower(coalesce(file_ext, 'jpg'))"
    return f"format('{layout}/{{:04d}}/{{}}.{{}}', id % 1000, id, {extension})"


def read_danbooru(database: duckdb.DuckDBPyConnection, settings: DataSettings, check_files: bool = True) -> None:
    """Fill the table `posts` from the metadata below `settings.folder`.

    `check_files` leaves out posts without a picture in the folder.

    Raises:
        SengaError: no metadata file, a line that is not JSON, or ratings in letters that cannot give `data.ratings`.
    """
    folder = Path(settings.folder)
    files = sorted(path.as_posix() for pattern in settings.metadata for path in folder.glob(pattern) if path.is_file())
    if not files:
        patterns = " or ".join(settings.metadata)
        raise SengaError(f"{folder}: has no {patterns}; set data.folder and data.metadata to where the metadata are")
    if foreign := [file for file in files if not has_text_name(file)]:
        raise SengaError(f"{foreign[0]}: its name is not UTF-8; rename it")
    readable = "true" if settings.layout == "512px" else f"lower(coalesce(file_ext, 'jpg')) in {READABLE}"
    sql = READ.format(file=file_of(settings.layout), columns=COLUMNS, readable=readable)
    try:
        database.execute(sql, {"files": files, "fraction": settings.fraction})
    except (duckdb.InvalidInputException, duckdb.ConversionException) as error:
        raise SengaError(
            f"{folder}: the metadata are not as expected; one JSON object a line was ({said(error)})"
        ) from error
    relate(database)
    letters = {row[0] for row in database.execute("select distinct letter from metadata").fetchall()}
    if settings.ratings == 4 and "g" not in letters:
        raise SengaError(
            f"{folder}: has ratings in the old letters {', '.join(sorted(filter(None, letters)))}, which do not"
            " distinguish general from sensitive; set data.ratings = 3"
        )
    pairs = RATINGS.get(settings.ratings, {}).items()
    rating = "case letter " + " ".join(f"when '{k}' then '{v}'" for k, v in pairs) + " end" if pairs else "null"
    present = ""
    if check_files:
        pattern = f"{folder.as_posix()}/{settings.layout}/*/*"
        database.execute(
            "create temp table present as select substr(file, length($folder) + 2) as file from glob($pattern)",
            {"folder": folder.as_posix(), "pattern": pattern},
        )
        present = "semi join present using (file)"
    database.execute(INSERT.format(rating=rating, present=present))
    database.execute("drop table metadata")


def relate(database: duckdb.DuckDBPyConnection) -> None:
    """The table `roots`: every post that has kin, with the least id among them."""
    for statement in (EDGES, LINKS, ROOTS):
        database.execute(statement)
    while True:
        database.execute(SPREAD)
        changed = database.execute(CHANGED).fetchall()[0][0]
        database.execute("drop table roots")
        database.execute("alter table nearer rename to roots")
        if not changed:
            return
