"""The training set's builder: what is taken, where it goes and how it is written. Made inputs, no network."""

import csv
import hashlib
import json
import logging
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from senga.headless.cli import main
from senga.training.datasets.art import build as build_dataset
from senga.training.datasets.art import sources as dataset_sources
from senga.training.datasets.art.build import build, check_content, target_scale
from senga.training.datasets.art.sources import list_avatars
from senga.training.datasets.dicebear import DICEBEAR_STYLES
from senga.training.datasets.drawing import PictureError
from senga.training.datasets.fetch import Picture, Request, SourceError
from senga.training.datasets.openclipart import list_openclipart

PUBLIC_DOMAIN = "http://web.resource.org/cc/PublicDomain"


def clip(author: str = "Somebody", licence: str = PUBLIC_DOMAIN, paths: int = 12, extra: str = "") -> str:
    """An SVG with Open Clip Art's metadata; every author draws other lines, so no two are one drawing."""
    lean = sum(author.encode()) % 60
    lines = "".join(
        f'<path d="M {5 + 8 * i} {lean} L {5 + 6 * i} 95" stroke="#{i:x}{i:x}4" stroke-width="3"/>'
        for i in range(paths)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="100" height="100"><metadata>'
        f"<dc:creator><cc:Agent><dc:title>{author}</dc:title></cc:Agent></dc:creator>"
        f'<cc:license rdf:resource="{licence}"/></metadata>{lines}{extra}</svg>'
    ).replace("<svg ", '<svg xmlns:dc="http://d" xmlns:cc="http://c" xmlns:rdf="http://r" xmlns:xlink="http://x" ', 1)


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def sketch(size: tuple[int, int] = (160, 200), seed: int = 0) -> Image.Image:
    image = Image.new("RGBA", size)
    draw = ImageDraw.Draw(image)
    for step in range(0, size[0], 8):
        draw.line(
            (step, 0, size[0] - step, size[1] - seed), fill=(255 - step % 256, seed % 256, step % 256, 255), width=3
        )
    return image


@pytest.fixture
def art_pack(tmp_path: Path) -> Path:
    """Three pictures: a free one, a copyleft one and one of a held-out character."""
    folder = tmp_path / "pack"
    folder.mkdir()
    licences = {"zig_zero": "CC-BY-4.0", "naev_pilot": "CC-BY-SA-4.0", "duelyst_head_f3-alt": "CC0-1.0"}
    with (folder / "MANIFEST.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "author", "licence", "sha256", "note"])
        for seed, (name, licence) in enumerate(licences.items()):
            path = folder / f"{name}.webp"
            sketch(seed=seed * 20).save(path, lossless=True)
            writer.writerow([path.name, "A, B", licence, hashlib.sha256(path.read_bytes()).hexdigest(), ""])
    return folder


def rows_of(out: Path) -> dict[str, dict[str, str]]:
    with (out / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


# --- which pictures are taken -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("svg", "taken"),
    [
        pytest.param(clip(), True, id="a public domain drawing"),
        pytest.param(clip(licence="http://creativecommons.org/licenses/GPL/2.0/"), False, id="another licence"),
        pytest.param(clip(licence=""), False, id="no licence"),
        pytest.param(
            clip(extra='<cc:license rdf:resource="http://creativecommons.org/licenses/GPL/2.0/"/>'),
            False,
            id="a second licence",
        ),
        pytest.param(clip(paths=9), False, id="too few paths"),
        pytest.param(clip(extra='<image xlink:href="data:,"/>'), False, id="an embedded raster"),
        pytest.param(clip(extra=" " * 2_000_000), False, id="too large"),
    ],
)
def test_open_clip_art_takes_only_public_domain_drawings(tmp_path: Path, svg: str, taken: bool) -> None:
    put(tmp_path / "animals/cat.svg", svg)
    assert len(list_openclipart(tmp_path)) == taken


def test_open_clip_art_leaves_out_symbols_cards_and_copies(tmp_path: Path) -> None:
    for name in ("animals/cat", "unsorted/copy-of-cat", "computer/icon", "recreation/games/cards/white/ace"):
        put(tmp_path / f"{name}.svg", clip())
    assert [picture.path.stem for picture in list_openclipart(tmp_path)] == ["cat"]


@pytest.mark.parametrize(
    ("author", "split"),
    [
        ("Somebody", "train"),
        ("Benji Park", "val"),
        ("Nicu Buculei and Nathan Eady", "val"),
        ("Andrew Fitzsimon", "val"),
        ("Jonadab the Unsightly One", "val"),
    ],
)
def test_held_out_authors_are_never_trained_on(tmp_path: Path, author: str, split: str) -> None:
    put(tmp_path / "food/pear.svg", clip(author))
    (picture,) = list_openclipart(tmp_path)
    assert (picture.split, picture.author) == (split, author)


def test_names_that_differ_in_case_only_stay_apart(tmp_path: Path) -> None:
    put(tmp_path / "people/Ann.svg", clip("Ann"))
    put(tmp_path / "people/ann_.svg", clip("Bob"))
    names = {picture.name for picture in list_openclipart(tmp_path)}
    assert len(names) == 2
    assert all(name == name.lower() for name in names)


def test_avatar_styles_keep_to_their_licence_and_split(tmp_path: Path) -> None:
    row = {"file": "toonHead_000.svg", "style": "toonHead", "creator": "J. M.", "licence": "CC BY 4.0"}
    put(tmp_path / "index.json", json.dumps([row]))
    (picture,) = list_avatars(tmp_path)
    assert (picture.name, picture.split, picture.licence) == ("toonHead_000", "val", "CC-BY-4.0")
    put(tmp_path / "index.json", json.dumps([{**row, "licence": "Free for personal use"}]))
    with pytest.raises(SourceError, match=r"'toonHead' declares the licence 'Free for personal use'"):
        list_avatars(tmp_path)


def test_styles_without_an_open_licence_are_not_asked_for() -> None:
    assert not {"avataaars", "avataaarsNeutral", "bottts", "botttsNeutral"} & set(DICEBEAR_STYLES)


def test_eileen_counts_once_when_the_art_pack_brings_her_larger(tmp_path: Path) -> None:
    (tmp_path / "debian/renpy-demo").mkdir(parents=True)
    alone = {picture.name: picture.split for picture in dataset_sources.renpy_demo(Request(tmp_path))}
    together = {picture.name for picture in dataset_sources.renpy_demo(Request(tmp_path, selected=("art_pack",)))}
    assert len(alone) == 8
    assert set(alone) - together == {"eileen_happy"}
    assert [name for name, split in alone.items() if split == "val"] == [
        "concert1",
        "concert2",
        "concert3",
        "lucy_happy",
        "lucy_mad",
    ]


@pytest.mark.parametrize(("copyleft", "expected"), [(False, 2), (True, 3)])
def test_copyleft_pictures_of_the_art_pack_are_asked_for_explicitly(
    tmp_path: Path, art_pack: Path, copyleft: bool, expected: int
) -> None:
    pictures = dataset_sources.art_pack(Request(tmp_path, art_pack, copyleft))
    assert len(pictures) == expected
    assert [picture.name for picture in pictures if picture.split == "val"] == ["duelyst_head_f3-alt"]


# --- what a picture must hold -----------------------------------------------------------------------------------------


def test_a_drawing_passes_and_junk_does_not() -> None:
    check_content(sketch())
    speck = Image.new("RGBA", (200, 200))
    speck.paste("red", (0, 0, 20, 20))
    grid = Image.effect_noise((200, 200), 200).convert("RGBA")
    for junk, reason in [
        (sketch((100, 400)), "too thin"),
        (speck, "nearly empty"),
        (Image.new("RGBA", (200, 200), "green"), "hardly any lines"),
        (grid, "mere pattern"),
    ]:
        with pytest.raises(PictureError, match=reason):
            check_content(junk)


@pytest.mark.parametrize(
    ("size", "longest"), [((512, 512), 1024), ((2048, 1024), 1024), ((1024, 200), 1638), ((1024, 10), 2048)]
)
def test_long_thin_drawings_are_drawn_larger(size: tuple[int, int], longest: int) -> None:
    assert round(max(size) * target_scale(*size)) == longest


def test_an_svg_is_cut_to_its_drawing_and_keeps_alpha(tmp_path: Path) -> None:
    pytest.importorskip("resvg_py")
    put(tmp_path / "small.svg", clip().replace('height="100"', 'height="100" viewBox="0 0 400 400"'))
    image = build_dataset.draw_svg(tmp_path / "small.svg")
    assert image.mode == "RGBA"
    assert 1000 <= max(image.size) <= 1060
    low, high = image.getchannel("A").getextrema()
    assert (low, high) == (0, 255)


def test_the_training_set_loses_a_drawing_that_validation_has(tmp_path: Path) -> None:
    pytest.importorskip("resvg_py")
    put(tmp_path / "a.svg", clip("One"))
    put(tmp_path / "b.svg", clip("One", extra="<desc>sent in again</desc>"))
    put(tmp_path / "c.svg", clip("Two"))
    pictures = [
        Picture("openclipart", path.stem, "val" if path.stem == "b" else "train", "X", "Public-Domain", path)
        for path in sorted(tmp_path.glob("*.svg"))
    ]
    rows, skipped = build_dataset.build_source(pictures, tmp_path / "out")
    assert [row.file for row in rows] == ["val/openclipart/b.webp", "train/openclipart/c.webp"]
    assert skipped == {"is a drawing that the set already has": 1}


def test_a_bad_svg_is_skipped_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("resvg_py")
    put(tmp_path / "bad.svg", "<svg")
    picture = Picture("openclipart", "bad", "train", "X", "Public-Domain", tmp_path / "bad.svg")
    with caplog.at_level(logging.INFO, "senga"):
        rows, skipped = build_dataset.build_source([picture], tmp_path / "out")
    assert (rows, skipped) == ([], {"cannot be drawn": 1})
    assert "skipped bad.svg" in caplog.text


# --- the set as a whole -----------------------------------------------------------------------------------------------


def test_the_manifest_names_every_file_with_its_credit(tmp_path: Path, art_pack: Path) -> None:
    out = tmp_path / "out"
    digest = build(Request(tmp_path, art_pack, selected=("art_pack",)), out)
    rows = rows_of(out)
    assert list(rows) == ["train/art_pack/zig_zero.webp", "val/art_pack/duelyst_head_f3-alt.webp"]
    for file, row in rows.items():
        assert hashlib.sha256((out / file).read_bytes()).hexdigest() == row["sha256"]
        assert (row["width"], row["height"], row["author"]) == ("160", "200", "A, B")
    assert digest == hashlib.sha256((out / "manifest.csv").read_bytes()).hexdigest()
    assert b"\r" not in (out / "manifest.csv").read_bytes()


def test_a_second_build_gives_the_same_set_and_writes_nothing_again(tmp_path: Path, art_pack: Path) -> None:
    request = Request(tmp_path, art_pack, selected=("art_pack",))
    first = build(request, tmp_path / "out")
    picture = tmp_path / "out/train/art_pack/zig_zero.webp"
    before = picture.stat().st_mtime_ns
    assert build(request, tmp_path / "out") == first
    assert picture.stat().st_mtime_ns == before
    assert build(request, tmp_path / "elsewhere") == first


def test_a_build_of_one_source_keeps_the_others(tmp_path: Path, art_pack: Path) -> None:
    images = tmp_path / "debian/renpy-demo/usr/share/games/renpy/demo/game/images"
    images.mkdir(parents=True)
    for seed, name in enumerate(dataset_sources.RENPY_PICTURES):
        sketch(seed=seed).save(images / f"{name}.png")
    out = tmp_path / "out"
    build(Request(tmp_path, art_pack, selected=("art_pack",)), out)
    build(Request(tmp_path, selected=("renpy_demo",)), out, limit=4)
    assert [row["source"] for row in rows_of(out).values()].count("renpy_demo") == 4
    assert [row["source"] for row in rows_of(out).values()].count("art_pack") == 2
    with Image.open(out / "val/renpy_demo/lucy_happy.webp") as image:
        assert image.convert("RGBA").getpixel((0, 0)) == sketch(seed=6).getpixel((0, 0))


def test_pictures_that_a_build_no_longer_has_are_removed(tmp_path: Path, art_pack: Path) -> None:
    out = tmp_path / "out"
    build(Request(tmp_path, art_pack, copyleft=True, selected=("art_pack",)), out)
    assert (out / "train/art_pack/naev_pilot.webp").is_file()
    build(Request(tmp_path, art_pack, selected=("art_pack",)), out)
    assert {path.relative_to(out).as_posix() for path in out.rglob("*.webp")} == set(rows_of(out))


def test_a_picture_that_is_not_what_its_manifest_says_is_left_out(tmp_path: Path, art_pack: Path) -> None:
    (art_pack / "zig_zero.webp").write_bytes((art_pack / "naev_pilot.webp").read_bytes())
    build(Request(tmp_path, art_pack, selected=("art_pack",)), tmp_path / "out")
    assert list(rows_of(tmp_path / "out")) == ["val/art_pack/duelyst_head_f3-alt.webp"]


@pytest.mark.parametrize(("source", "program"), [("openclipart", "apt-get"), ("dicebear", "npm")])
def test_a_missing_program_is_one_sentence_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, source: str, program: str
) -> None:
    monkeypatch.setattr("senga.training.datasets.fetch.shutil.which", lambda name: None)
    folders = ["--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")]
    assert main(["data", "build-art", *folders, "--only", source]) == 1
    (record,) = caplog.records
    others = " ".join(name for name in dataset_sources.SOURCES if name != source)
    assert f"'{program}' is needed and was not found" in record.getMessage()
    assert record.getMessage().endswith(f"--only {others}")


def test_an_art_pack_with_another_table_is_named(
    art_pack: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (art_pack / "MANIFEST.csv").write_text("file,by\nzig_zero.webp,A\n")
    words = ["data", "build-art", "--out", str(tmp_path / "out"), "--only", "art_pack", "--art-pack", str(art_pack)]
    assert main(words) == 1
    assert "MANIFEST.csv: has no column 'author' (it has file, by); expected file,author,licence,sha256" in caplog.text


def test_the_art_pack_cannot_be_built_without_its_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert main(["data", "build-art", "--out", str(tmp_path / "out"), "--only", "art_pack"]) == 1
    assert "add --art-pack DIR" in caplog.text
