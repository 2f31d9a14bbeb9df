"""Tagged pictures from Danbooru's dumps, from folders of captions and from tables: what is counted, on which side."""

import gzip
import json
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image
from sample_tag_sets import captions, danbooru, danbooru_lines, drawing, settings, table, tags_of
from senga.arch import SengaError
from senga.benchmarks import danbooru_vocabulary  # pyright: ignore[reportMissingImports]
from senga.training.tagger.index import SPLITS, build_index
from senga.training.tagger.settings import DataSettings
from senga.training.tagger.vocabulary import closure

COUNT = 60
KINDS = ("general", "character")


@pytest.fixture(scope="module")
def dump(tmp_path_factory) -> Path:
    return danbooru(tmp_path_factory.mktemp("danbooru") / "set", COUNT)


def write_posts(folder: Path, lines: list[dict[str, object]]) -> None:
    (folder / "metadata" / "posts.json").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
def copy(dump, tmp_path) -> Path:
    """A folder with the dump's pictures and metadata of its own."""
    (tmp_path / "set" / "metadata").mkdir(parents=True)
    (tmp_path / "set" / "512px").symlink_to(dump / "512px")
    write_posts(tmp_path / "set", danbooru_lines(COUNT, "2021"))
    return tmp_path / "set"


def test_pictures_of_a_dump_bear_the_tags_that_it_names(dump, tmp_path):
    index = build_index(settings("danbooru", dump), tmp_path / "scratch")
    assert len(index) == COUNT
    assert not (tmp_path / "scratch").exists()
    for i in range(COUNT):
        number = int(Path(str(index.files[i])).stem)
        assert index.files[i] == f"512px/{number % 1000:04d}/{number}.jpg"
        _, general, characters = drawing(number)
        rating = ("safe", "questionable", "explicit")[number % 3]
        assert tags_of(index, i) == {*general, *characters, rating}
    assert "somebody" not in index.names  # an artist
    kinds = dict(zip(index.names, index.categories, strict=True))
    assert kinds["circle"] == "general"
    assert kinds["scarlet_(sun)"] == "character"
    assert index.names[-3:] == ("safe", "questionable", "explicit")


@pytest.mark.parametrize("form", ["2020", "2021"])
def test_every_form_of_the_dump_gives_the_same_index(form, dump, copy, tmp_path):
    write_posts(copy, danbooru_lines(COUNT, form))
    ours, plain = (build_index(settings("danbooru", folder), tmp_path / "s") for folder in (copy, dump))
    assert ours.sha256() == plain.sha256()


def test_gzipped_parts_are_read_like_one_file(dump, copy, tmp_path):
    lines = danbooru_lines(COUNT, "2021")
    (copy / "metadata" / "posts.json").unlink()
    for part in range(3):
        with gzip.open(copy / "metadata" / f"posts{part}.json.gz", "wt") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines[part::3])
    ours, plain = (build_index(settings("danbooru", folder), tmp_path / "s") for folder in (copy, dump))
    assert ours.sha256() == plain.sha256()


def test_new_rating_letters_become_three_or_four_ratings(copy, tmp_path):
    write_posts(copy, danbooru_lines(COUNT, "2022"))
    three = build_index(settings("danbooru", copy), tmp_path / "s")
    four = build_index(settings("danbooru", copy, ratings=4), tmp_path / "s")
    assert four.names[-4:] == ("general", "sensitive", "questionable", "explicit")
    merged = three.counts()[0][-3:]
    assert [four.counts()[0][-4:-2].sum(), *four.counts()[0][-2:]] == merged.tolist()
    assert build_index(settings("danbooru", copy, ratings=0), tmp_path / "s").categories.count("rating") == 0


def test_old_rating_letters_cannot_give_four(dump, tmp_path):
    with pytest.raises(SengaError, match=r"ratings in the old letters e, q, s.*data\.ratings = 3"):
        build_index(settings("danbooru", dump, ratings=4), tmp_path / "s")


def test_a_tag_string_alone_needs_the_tags_categories(copy, tmp_path):
    bare = [
        {k: v for k, v in line.items() if not k.startswith("tag_string_")} for line in danbooru_lines(COUNT, "2021")
    ]
    write_posts(copy, bare)
    with pytest.raises(SengaError, match=r"60 posts have a tag_string alone.*data\.categories"):
        build_index(settings("danbooru", copy), tmp_path / "s")
    names = [("scarlet_(sun)", 4), ("azure_(river)", 4), ("somebody", 1), ("circle", 0)]
    tags = tmp_path / "tags.json"
    tags.write_text("".join(json.dumps({"name": n, "category": c, "post_count": 9}) + "\n" for n, c in names))
    ours = build_index(settings("danbooru", copy, categories=tags.as_posix()), tmp_path / "s")
    write_posts(copy, danbooru_lines(COUNT, "2021"))
    assert ours.sha256() == build_index(settings("danbooru", copy), tmp_path / "s").sha256()


def test_aliases_and_implications_change_what_a_picture_bears(copy, tmp_path):
    aliases, implications = tmp_path / "aliases.csv", tmp_path / "implications.json"
    aliases.write_text("antecedent_name,consequent_name\nbar,line\n")
    pairs = [("line", "shape"), ("square", "shape"), ("shape", "thing"), ("thing", "shape")]
    implications.write_text("".join(json.dumps({"antecedent_name": a, "consequent_name": b}) + "\n" for a, b in pairs))
    chosen = settings("danbooru", copy, aliases=aliases.as_posix(), implications=implications.as_posix())
    index = build_index(chosen, tmp_path / "s")
    assert "bar" not in index.names
    for i in range(len(index)):
        expected = set(drawing(int(Path(str(index.files[i])).stem))[1])
        found = tags_of(index, i)
        assert ("line" in found) == ("bar" in expected)
        assert ("shape" in found) == ("thing" in found) == bool({"bar", "square"} & expected)


def test_a_closure_ends_where_it_began():
    assert closure([("a", "b")], [("b", "c"), ("c", "b")]) == [
        ("a", "b"), ("a", "c"), ("b", "b"), ("b", "c"), ("c", "b"), ("c", "c"),
    ]  # fmt: skip


def test_the_vocabulary_is_the_most_frequent_tags_of_the_training_pictures(dump, tmp_path):
    whole = build_index(settings("danbooru", dump), tmp_path / "s")
    small = build_index(settings("danbooru", dump, general=3, characters=1, ratings=0), tmp_path / "s")
    counted = list(zip(whole.counts()[0].tolist(), whole.names, whole.categories, strict=True))
    counted.sort(key=lambda row: (-row[0], row[1]))
    ranked = {wanted: [name for _, name, kind in counted if kind == wanted] for wanted in KINDS}
    assert small.names == (*ranked["general"][:3], ranked["character"][0])
    least = counted[2][0]
    fewer = build_index(settings("danbooru", dump, min_count=least), tmp_path / "s")
    assert set(fewer.names[:-3]) == {name for n, name, kind in counted if n >= least and kind in KINDS}


def test_a_share_of_the_pictures_is_the_same_ones_whatever_else_is_there(dump, copy, tmp_path):
    half = build_index(settings("danbooru", dump, fraction=0.5), tmp_path / "s")
    assert 0.25 * COUNT < len(half) < 0.75 * COUNT
    write_posts(copy, danbooru_lines(COUNT, "2021")[::2])
    fewer = build_index(settings("danbooru", copy, fraction=0.5), tmp_path / "s")
    assert set(fewer.files) == {file for file in half.files if int(Path(str(file)).stem) % 2 == 0}


def test_pictures_taken_in_chunks_bear_the_same_tags(dump, copy, tmp_path, monkeypatch):
    """Implied tags too, which come from another table than the pictures' own."""
    pairs = tmp_path / "implications.json"
    names = build_index(settings("danbooru", dump), tmp_path / "s").names
    pairs.write_text(json.dumps({"antecedent_name": names[0], "consequent_name": names[1]}) + "\n")
    chosen = settings("danbooru", copy, implications=pairs.as_posix())
    whole = build_index(chosen, tmp_path / "s")
    monkeypatch.setattr("senga.training.tagger.index.CHUNK", 7)
    assert len(whole) > 3 * 7
    parts = build_index(chosen, tmp_path / "s")
    assert [tags_of(parts, i) for i in range(len(parts))] == [tags_of(whole, i) for i in range(len(whole))]


def test_kin_stay_on_one_side(copy, tmp_path):
    """Parents in chains, a parent that is not there, and one file under two ids."""
    lines = danbooru_lines(COUNT, "2021")
    for line in lines:
        line["parent_id"] = None
    for i in range(1, 20):
        lines[i]["parent_id"] = lines[i - 1]["id"]
    for i in range(20, 30):
        lines[i]["parent_id"] = 999_999
    for i in range(30, 40):
        lines[i]["md5"] = "f" * 32
    write_posts(copy, lines)
    splits = build_index(settings("danbooru", copy, val=0.33, test=0.33), tmp_path / "s").splits
    for kin in (splits[:20], splits[20:30], splits[30:40]):
        assert len(set(kin)) == 1
    assert len(set(splits[40:])) == 3


def test_pictures_that_are_not_there_are_left_out(dump, copy, tmp_path):
    (copy / "512px").unlink()
    for number in range(1000, 1030):
        path = copy / "512px" / f"{number % 1000:04d}" / f"{number}.jpg"
        path.parent.mkdir(parents=True)
        path.symlink_to(dump / path.relative_to(copy))
    assert len(build_index(settings("danbooru", copy), tmp_path / "s")) == 30


def test_the_original_layout_keeps_each_posts_own_extension(tmp_path):
    folder = danbooru(tmp_path / "set", 20, layout="original")
    index = build_index(settings("danbooru", folder, layout="original"), tmp_path / "s")
    assert index.files[5] == "original/0005/1005.png"
    assert len(index) == 20


def test_a_table_says_split_style_and_what_is_not_known(tmp_path):
    folder = table(tmp_path / "set", 60)
    index = build_index(settings("table", folder), tmp_path / "s")
    assert {split: len(index.where(split)) for split in SPLITS} == {"train": 24, "val": 8, "test": 8, "unseen": 20}
    assert index.licences == ("CC0-1.0",)
    for i in index.where("unseen"):
        known = dict(zip(index.names, index.truth(i)[1], strict=True))
        assert index.styles[i] == "far"
        assert not known["circle"]
        assert known["red_(colour)"]
        assert not known["safe"]


def test_a_table_without_splits_is_split_by_group(tmp_path):
    folder = table(tmp_path / "set", 60)
    lines = ["file,tags,group", *(f"{i}.png,circle,{i // 6}" for i in range(60)), "gone.png,circle,1"]
    (folder / "small.csv").write_text("\n".join(lines))
    index = build_index(settings("table", folder, table="small.csv", val=0.3, test=0.3, ratings=0), tmp_path / "s")
    assert len(index) == 60
    sides: dict[int, set[int]] = {}
    for file, split in zip(index.files, index.splits, strict=True):
        sides.setdefault(int(Path(str(file)).stem) // 6, set()).add(int(split))
    assert all(len(found) == 1 for found in sides.values())
    assert len({next(iter(found)) for found in sides.values()}) == 3


def test_a_table_may_name_what_no_file_can_be_called(tmp_path, caplog):
    folder = table(tmp_path / "set", 40)
    impossible = ["x" * 5000, "", "half.png/0.png"]
    lines = ["file,tags", *(f"{i}.png,circle" for i in range(40)), *(f"{name},circle" for name in impossible), "short"]
    (folder / "small.csv").write_text("\n".join(lines))
    assert (
        len(build_index(settings("table", folder, table="small.csv", val=0.3, test=0.3, ratings=0), tmp_path / "s"))
        == 40
    )
    assert "4 pictures of its list left out, not there" in caplog.text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("picture,tags\n", r"small\.csv: has no column 'file' \(it has picture, tags\)"),
        pytest.param(f"{'x' * 5000}\n", r"^.{,300}\.\.\.\); expected file,tags, as CSV$", id="a long cell 1"),
        pytest.param(
            f"file,tags\n0.png,{'x' * 200_000}\n",
            r"small\.csv: is not a table that can be read",
            id="a cell of 200,000 characters",
        ),
        ("file,tags,split\n0.png,circle,validation\n", r"has a split 'validation'; expected train, val, test, unseen"),
        ("file,tags,split\n0.png,circle,train\n", r"gives 1 training pictures, 0 for validation"),
    ],
)
def test_a_table_that_is_none_is_named_with_its_fault(text, words, tmp_path):
    folder = table(tmp_path / "set", 3)
    (folder / "small.csv").write_text(text)
    with pytest.raises(SengaError, match=words):
        build_index(settings("table", folder, table="small.csv"), tmp_path / "s")


def test_missing_or_broken_sources_are_named(copy, tmp_path):
    with pytest.raises(SengaError, match=r"nowhere: there is no such folder; set data\.folder"):
        build_index(settings("captions", tmp_path / "nowhere"), tmp_path / "s")
    with pytest.raises(SengaError, match=r"has no picture with a \.txt"):
        build_index(settings("captions", copy), tmp_path / "s")
    with pytest.raises(SengaError, match=r"tags\.csv: there is no such table"):
        build_index(settings("table", copy, table="tags.csv"), tmp_path / "s")
    with pytest.raises(SengaError, match=r"has no metadata/other\.json; set data\.folder and data\.metadata"):
        build_index(settings("danbooru", copy, metadata=["metadata/other.json"]), tmp_path / "s")
    (copy / "metadata" / "posts.json").write_text('{"id": 1}\n{"id": 2, \n')
    with pytest.raises(SengaError, match="the metadata are not as expected; one JSON object a line was"):
        build_index(settings("danbooru", copy), tmp_path / "s")
    write_posts(copy, danbooru_lines(5, "2021"))
    (copy / "sjis.csv").write_bytes(("antecedent_name,consequent_name\n線,circle" + "x" * 5000).encode("shift_jis"))
    with pytest.raises(SengaError, match=r"sjis\.csv: expected CSV or JSON lines with .* unicode") as caught:
        build_index(settings("danbooru", copy, aliases=str(copy / "sjis.csv")), tmp_path / "s")
    assert len(str(caught.value)) < 300 + len(str(copy))
    with pytest.raises(SengaError, match=r"no\.csv: expected CSV or JSON lines with antecedent_name"):
        build_index(settings("danbooru", copy, aliases="no.csv"), tmp_path / "s")


def test_the_benchmark_prints_the_speed_of_each_stage(tmp_path):
    made = [json.loads(line) for block in danbooru_vocabulary.posts(300) for line in block.splitlines()]
    assert [post["id"] for post in made] == list(range(1, 301))
    chosen = DataSettings("danbooru", tmp_path.as_posix(), metadata=["metadata/posts.json"], memory_gib=0.2)
    lines = danbooru_vocabulary.measure(300, chosen, tmp_path)
    assert lines[0].startswith("300 posts")
    assert [line[:16].strip() for line in lines[1:4]] == ["read the metadat", "count and choose", "number the tags"]
    assert all("rows/s" in line and "peak memory" in line for line in lines[1:4])


def negatives(folder: Path) -> Path:
    """Three pictures: one without anything, one of which only a tag is known, one whose file is missing."""
    folder.mkdir()
    for name in ("nothing", "anything"):
        Image.new("RGB", (20, 20), "white").save(folder / f"{name}.png")
    (folder / "manifest.csv").write_text(
        "file,split,tags,unknown,known\nnothing.png,train,no_humans,circle,\nanything.png,val,square,,square bar\n"
        "gone.png,train,,,\n"
    )
    return folder


@pytest.mark.parametrize("source", ["table", "captions", "danbooru"])
def test_pictures_of_more_tables_are_added_with_what_is_known_of_them(source, tmp_path, dump):
    folder = dump if source == "danbooru" else (table if source == "table" else captions)(tmp_path / "set", 40)
    more = negatives(tmp_path / "negatives")
    index = build_index(settings(source, folder, more=[more.as_posix()]), tmp_path / "s")
    alone = build_index(settings(source, folder), tmp_path / "s")
    assert len(index) == len(alone) + 2
    numbers = {Path(str(name)).stem: i for i, name in enumerate(index.files)}
    nothing, anything = numbers["nothing"], numbers["anything"]
    assert (folder / str(index.files[nothing])).is_file()
    assert (SPLITS[index.splits[nothing]], SPLITS[index.splits[anything]]) == ("train", "val")
    assert tags_of(index, nothing) == {"no_humans"}
    assert tags_of(index, anything) == {"square"}
    silent = {name for name, category in zip(index.names, index.categories, strict=True) if category == "rating"}
    known = {i: {n for n, k in zip(index.names, index.truth(i)[1], strict=True) if k} for i in numbers.values()}
    assert known[nothing] == {*index.names} - silent - {"circle"}
    assert known[anything] == {"square", "bar"}


def test_metadata_under_a_name_that_is_not_utf_8_are_named(copy, tmp_path):
    foreign = copy / "metadata" / os.fsdecode(b"posts\x83e.json")
    try:
        shutil.copy(copy / "metadata" / "posts.json", foreign)
    except OSError:
        pytest.skip("this file system takes UTF-8 names alone")
    with pytest.raises(SengaError, match=r"posts.*e\.json: its name is not UTF-8; rename it"):
        build_index(settings("danbooru", copy), tmp_path / "s")
