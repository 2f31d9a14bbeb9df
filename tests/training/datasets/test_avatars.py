"""The tagger's pictures: labels that follow from what was chosen, splits without leaks, equal builds. No network."""

import csv
import hashlib
import random
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from senga.headless.cli import main
from senga.training.datasets.avatars import palette as tag_palette
from senga.training.datasets.avatars.build import Plan, TagRow, build, plan, summarise
from senga.training.datasets.avatars.composites import LONG_SIDE, Composed, compose
from senga.training.datasets.avatars.figures import CHARACTERS, Avatar, Choice, appearances, characters, crowd, says
from senga.training.datasets.avatars.grounds import Clip
from senga.training.datasets.avatars.styles import FAMILIES, FAMILY_OF, IMPLIED, attribute, close, read
from senga.training.datasets.avatars.tables import STYLES, UNSEEN
from senga.training.datasets.dicebear import DICEBEAR_STYLES, dicebear_licence
from senga.training.datasets.fetch import SourceError

NAMES = [name for names in CHARACTERS.values() for name in names]


def drawing(figure: Avatar, side: int) -> Image.Image:
    """Stands in for the package's drawing: two colours that follow from the options, on nothing."""
    digest = hashlib.sha256(figure.options.encode()).digest()
    image = Image.new("RGBA", (side, side))
    pen = ImageDraw.Draw(image)
    pen.ellipse((side // 8, side // 8, 7 * side // 8, side), fill=(*digest[:3], 255))
    pen.rectangle((side // 3, side // 3, side // 2, side // 2), fill=(*digest[3:6], 255))
    return image


def drawer(figures: Sequence[Avatar], sides: Sequence[int]) -> tuple[list[Image.Image], dict[str, tuple[str, str]]]:
    credits = {name: (f"author of {name}", DICEBEAR_STYLES[name].spdx) for name in STYLES}
    return [drawing(*pair) for pair in zip(figures, sides, strict=True)], credits


def figures_of(style: str, count: int = 150) -> list[Avatar]:
    return list(islice(crowd(style), count))


def everyone() -> Iterable[Avatar]:
    for style in STYLES:
        yield from figures_of(style)
    for name in NAMES:
        yield from islice(appearances(name), 5)


def composed(figures: Sequence[Avatar], seed: int, clips: Sequence[Clip] = ()) -> Composed:
    return compose(figures, [drawing(figure, 96) for figure in figures], clips, random.Random(seed))


# --- the notation -----------------------------------------------------------------------------------------------------


def test_a_table_entry_says_what_is_seen_doubted_and_hidden() -> None:
    said = read("grin teeth? ~emotion @shirt")
    assert said.tags == {"grin"}
    assert said.unknown == {"teeth", *FAMILIES["emotion"]}
    assert said.coloured == {"shirt"}


@pytest.mark.parametrize("slip", ["smlie", "smlie?", "~mouths"])
def test_a_misspelt_tag_is_an_error(slip: str) -> None:
    with pytest.raises(KeyError):
        read(slip)


def test_entries_of_one_variant_add_up() -> None:
    table = attribute({"smile": "a b*3", "teeth?": "b"})
    assert (table.variants["b"].tags, table.variants["b"].unknown) == ({"smile"}, {"teeth"})
    assert table.weights == {"a": 1, "b": 3}


def test_what_implies_a_doubted_tag_is_doubted_too() -> None:
    assert close(frozenset({"grin"}), frozenset()) == ({"grin", "smile", "teeth"}, frozenset())
    assert close(frozenset({"grin"}), frozenset({"smile"})) == (frozenset(), {"grin", "smile"})


def test_implications_are_complete_and_of_known_tags() -> None:
    for tag, implied in IMPLIED.items():
        assert tag in FAMILY_OF
        for other in implied:
            assert set(IMPLIED.get(other, ())) <= set(implied)


# --- the labels -------------------------------------------------------------------------------------------------------


def test_nothing_speaks_of_sex() -> None:
    assert not [tag for tag in FAMILY_OF if "girl" in tag or "boy" in tag or "male" in tag]


@pytest.mark.parametrize("style", STYLES)
def test_every_head_of_hair_says_how_long_it_is_or_that_it_is_unknown(style: str) -> None:
    lengths = set(FAMILIES["hair_length"])
    silent = [figure for figure in figures_of(style, 400) if not lengths & (figure.tags | figure.unknown)]
    assert not silent


@pytest.mark.parametrize("style", STYLES)
def test_no_variant_shows_what_excludes_itself(style: str) -> None:
    excluding = [{"open_mouth", "closed_mouth"}, {"smile", "frown"}, {"closed_eyes", "one_eye_closed"}]
    excluding += [
        set(pair) for pair in (("bald", "short_hair"), ("short_hair", "long_hair"), ("glasses", "sunglasses"))
    ]
    for table in STYLES[style].attributes.values():
        for said in table.variants.values():
            assert not [pair for pair in excluding if pair <= said.tags]


def test_labels_are_consistent() -> None:
    colours = set(FAMILIES["hair_colour"])
    for figure in everyone():
        assert figure.tags | figure.unknown <= set(FAMILY_OF)
        assert not figure.tags & figure.unknown
        assert all(set(IMPLIED.get(tag, ())) <= figure.tags for tag in figure.tags)
        assert len(figure.tags & colours) <= 1
        if "bald" in figure.tags:
            assert not figure.tags & colours
        elif not figure.unknown & colours:
            assert figure.tags & colours


def test_what_is_covered_is_not_said() -> None:
    figures = list(everyone())
    behind_lenses = [figure for figure in figures if "sunglasses" in figure.tags]
    behind_masks = [figure for figure in figures if "mask" in figure.tags]
    assert behind_lenses
    assert behind_masks
    assert not [figure for figure in behind_lenses if figure.tags & set(FAMILIES["eyes"])]
    assert all(set(FAMILIES["mouth"]) <= figure.unknown for figure in behind_masks)


def test_earrings_are_drawn_only_where_the_ear_is_seen() -> None:
    shown, style = "short01", STYLES["micah"]
    earrings = style.attributes["earrings"]
    assert earrings.only_with is not None
    assert shown not in earrings.only_with[1]
    hidden = [figure for figure in figures_of("micah", 400) if '"hair": ["full"]' in figure.options]
    assert hidden
    assert not [figure for figure in hidden if "earrings" in figure.tags]


def test_the_colour_of_ink_is_not_a_colour_of_hair() -> None:
    inked = [figure for figure in figures_of("lorelei", 200) if "monochrome" in figure.tags]
    assert inked
    assert all(set(FAMILIES["hair_colour"]) <= figure.unknown for figure in inked)


def test_an_uncoloured_head_keeps_its_own_black() -> None:
    style = STYLES["openPeeps"]
    colours = {"hair": ("red", "c0392b"), "skin": ("", "ffdbb4"), "shirt": ("blue", "0000ff")}
    faces = {"face": "smile", "accessories": None, "facialHair": None, "mask": None}
    black, _ = says(style, Choice({"head": "short1", **faces}, colours))
    red, _ = says(style, Choice({"head": "short4", **faces}, colours))
    assert "black_hair" in black
    assert "red_hair" in red - black


@pytest.mark.parametrize("name", tag_palette.HAIR)
def test_no_colour_is_in_two_ranges(name: str) -> None:
    """A colour of one name lies nearer to its own kind than any colour of another name does."""
    draw = random.Random(name)
    own = [tag_palette.rgb(tag_palette.colour(tag_palette.HAIR[name], draw)) for _ in range(40)]
    others = [
        tag_palette.rgb(tag_palette.colour(ranges, draw))
        for other, ranges in tag_palette.HAIR.items()
        if other != name
        for _ in range(40)
    ]
    assert min(max(abs(a - b) for a, b in zip(one, other, strict=True)) for one in own for other in others) > 8


# --- characters -------------------------------------------------------------------------------------------------------


def test_a_character_is_known_by_its_hair_alone() -> None:
    def look(figure: Avatar) -> tuple[str, str, frozenset[str]]:
        option = STYLES[figure.style].hair_option
        variant = figure.options.partition(f'"{option}": [')[2].partition("]")[0]
        return figure.style, variant, figure.tags & set(FAMILIES["hair_colour"])

    cast = {name: look(next(appearances(name))) for name in NAMES}
    assert len(set(cast.values())) == len(NAMES)
    for name in NAMES:
        assert {look(figure) for figure in islice(appearances(name), 20)} == {cast[name]}
    strangers = {look(figure) for style in CHARACTERS for figure in figures_of(style, 400)}
    assert not strangers & set(cast.values())


def test_characters_change_their_mood_and_never_their_style() -> None:
    assert set(characters()) == set(NAMES)
    assert len(NAMES) == len(set(NAMES))
    assert not set(CHARACTERS) & set(UNSEEN)
    for name in ("arlo_pemberwick", "umi_castell"):
        assert len({figure.tags for figure in islice(appearances(name), 20)}) > 5


# --- pictures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("figures", "expected"),
    [(1, {"solo", "1other"}), (2, {"2others", "multiple_others"}), (5, {"5others", "multiple_others"})],
)
def test_the_figures_are_counted(figures: int, expected: set[str]) -> None:
    for seed in range(10):
        result = composed(figures_of("lorelei", figures), seed)
        assert result.tags & set(FAMILIES["count"]) == expected
        assert max(result.image.size) == LONG_SIDE
        assert result.image.mode == "RGB"


def test_a_picture_says_each_tag_once_and_with_all_that_it_implies() -> None:
    clips = [Clip(Image.effect_noise((200, 150), 60).convert("RGBA"), "X", "Public-Domain")]
    for seed in range(250):
        style = list(STYLES)[seed % len(STYLES)]
        result = composed(figures_of(style, 1 + seed % 3), seed, clips)
        assert not result.tags & result.unknown
        assert all(set(IMPLIED.get(tag, ())) <= result.tags for tag in result.tags)
        assert len(result.tags & {f"{colour}_background" for colour in tag_palette.GROUND}) <= 1
        if result.tags & {"sepia"} or "greyscale" in result.tags:
            assert not result.tags & set(FAMILIES["hair_colour"])
        if "silhouette" in result.tags:
            assert set(FAMILIES["mouth"]) <= result.unknown
        if result.clip:
            assert not result.tags & set(FAMILIES["ground"])


def test_of_small_faces_nothing_is_said() -> None:
    result = composed(figures_of("toonHead", 5), 1)
    assert not result.tags & {*FAMILIES["eyes"], *FAMILIES["mouth"]}
    assert {*FAMILIES["eyes"], *FAMILIES["mouth"]} <= result.unknown


def test_only_a_whole_picture_of_one_look_has_that_look() -> None:
    flat, ink = figures_of("bigSmile", 1)[0], figures_of("adventurer", 1)[0]
    for seed in range(12):
        assert "no_lineart" in composed([flat, flat], seed).tags | composed([flat, flat], seed).unknown
        assert "no_lineart" in composed([flat, ink], seed).unknown


# --- the set ----------------------------------------------------------------------------------------------------------


def test_near_duplicates_stay_in_one_split_and_unseen_styles_apart() -> None:
    plans = plan(8)
    assert len({planned.name for planned in plans}) == len(plans)
    sides: dict[str, set[str]] = {}
    for planned in plans:
        for figure in planned.figures:
            sides.setdefault(figure.key, set()).add(planned.split)
            assert (figure.style in UNSEEN) == (planned.split == "unseen")
    assert not [key for key, splits in sides.items() if len(splits) > 1]
    assert {planned.split for planned in plans} == {"train", "val", "test", "unseen"}


def rows_of(out: Path) -> dict[str, dict[str, str]]:
    with (out / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def test_two_builds_are_equal_and_the_manifest_names_every_file(tmp_path: Path) -> None:
    plans = plan(1)[::3]
    clips = {"train": [Clip(Image.effect_noise((200, 150), 60).convert("RGBA"), "Somebody", "Public-Domain")]}
    for name in ("one", "two"):
        (tmp_path / name / "train").mkdir(parents=True)
        (tmp_path / name / "train/lorelei_9999.webp").write_bytes(b"left by an earlier build")
        build(plans, drawer, clips, tmp_path / name)
    assert (tmp_path / "one/manifest.csv").read_bytes() == (tmp_path / "two/manifest.csv").read_bytes()
    rows = rows_of(tmp_path / "one")
    assert list(rows) == sorted(rows)
    assert {path.relative_to(tmp_path / "one").as_posix() for path in tmp_path.glob("one/*/*.webp")} == set(rows)
    for file, row in rows.items():
        assert hashlib.sha256((tmp_path / "one" / file).read_bytes()).hexdigest() == row["sha256"]
        assert row["author"]
        assert set(row["tags"].split()).isdisjoint(row["unknown"].split())
    shown = {figure.character for planned in plans for figure in planned.figures} - {""}
    assert {name for row in rows.values() for name in row["characters"].split()} == shown


def test_a_picture_owes_to_all_who_drew_it(tmp_path: Path) -> None:
    pair = Plan("pair", "train", "mixed", (figures_of("lorelei", 1)[0], figures_of("adventurer", 1)[0]))
    (row,) = build([pair], drawer, {}, tmp_path)
    assert row.author == "author of lorelei; author of adventurer"
    assert row.licence == "CC0-1.0 AND CC-BY-4.0"


def test_the_summary_counts_pictures_and_tags() -> None:
    row = TagRow("a", "train", "dicebear", "X", "CC0-1.0", "0", 1, 1, "lorelei", "smile solo", "", "teeth")
    lines = [line.split() for line in summarise([row, row]).splitlines()]
    assert ["lorelei", "2", "0", "0", "0"] in lines
    assert ["smile", "2", "0", "0", "0", "0"] in lines


def test_styles_without_an_open_licence_are_refused() -> None:
    assert set(STYLES) <= set(DICEBEAR_STYLES)
    assert dicebear_licence("pixelArt", "CC0 1.0") == "CC0-1.0"
    with pytest.raises(SourceError, match="declares the licence 'Free for personal use'"):
        dicebear_licence("micah", "Free for personal use")


@pytest.mark.parametrize(("program", "way_out"), [("npm", ""), ("apt-get", "add --no-clips")])
def test_a_missing_program_is_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    program: str,
    way_out: str,
) -> None:
    pytest.importorskip("resvg_py")
    if program == "apt-get":
        monkeypatch.setattr("senga.training.datasets.avatars.build.dicebear_packages", lambda cache: cache)
    monkeypatch.setattr("senga.training.datasets.fetch.shutil.which", lambda name: None)
    folders = ["--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")]
    assert main(["data", "build-avatars", *folders, "--limit", "1"]) == 1
    (record,) = caplog.records
    assert f"'{program}' is needed and was not found" in record.getMessage()
    assert record.getMessage().endswith(way_out)
    assert "--only" not in record.getMessage()  # build-art has it, build-avatars has not
