"""What `--cluster` takes for the pictures of a call, and how they are dealt out; without Ray."""

from pathlib import Path

import pytest
from sample_units import done
from senga.arch import UpscaleModel, save_model
from senga.headless.cli import USAGE, main
from senga.headless.cluster import listing, places
from senga.headless.cluster.listing import listed
from senga.headless.cluster.shards import member_name
from senga.headless.cluster.units import MOST, Item, Outcome, items_of, outcome_of, to_text, units
from senga.headless.commands import batch_worker
from senga.headless.errors import SengaError


@pytest.fixture(autouse=True)
def album(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "a.jpg", "sub/b.png", "sub/deep/c.webp", "sub/notes.txt", ".hidden/d.png", "out/a.png"):
        path = Path("album", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")


def names(*inputs: str, out: str | None = "album/out", recursive: bool = True) -> dict[str, bool]:
    found = listed(inputs, out, (".png", ".jpg", ".webp"), recursive=recursive)
    return {item.own: item.lone for item in found}


def test_a_folder_is_listed_without_results_and_hidden_files() -> None:
    assert names("album") == {"a.jpg": False, "a.png": False, "sub/b.png": True, "sub/deep/c.webp": True}
    assert list(names("album", recursive=False)) == ["a.jpg", "a.png"]
    assert "out/a.png" in names("album", out="elsewhere")
    (item,) = listed(["album/sub/b.png"], None, (), recursive=True)
    assert (item.source, item.own, item.size) == ("album/sub/b.png", "b.png", 5)
    assert item.time > 0


def test_a_pattern_is_listed_below_its_fixed_part() -> None:
    assert names("album/**/*.png") == {"a.png": True, "sub/b.png": True}


def test_a_list_keeps_names_and_knows_neighbours() -> None:
    Path("list.txt").write_text("album/a.png\nalbum/a.jpg\n\n../x/y.png\n/abs/z.png\ns3://bucket/k.png\n")
    assert names("@list.txt") == {
        "album/a.png": False,
        "album/a.jpg": False,
        "x/y.png": True,
        "abs/z.png": True,
        "bucket/k.png": True,
    }
    with pytest.raises(SengaError, match=r"none\.txt: the list cannot be read"):
        names("@none.txt")


def test_units_hold_every_picture_once_and_survive_a_new_one() -> None:
    items = [Item(f"{n}.png", f"{n}.png") for n in range(1000)]
    before = list(units(items))
    assert [item for unit in before for item in unit] == items
    assert max(map(len, before)) <= MOST
    after = list(units([Item("new.png", "new.png"), *items]))
    assert before[-10:] == after[-10:]
    assert len(list(units([Item("a", "a", size=2**26)] * 3))) == 3


def test_units_for_shards_are_larger() -> None:
    items = [Item(f"{n}.png", f"{n}.png", size=2**17) for n in range(4000)]
    shards = list(units(items, 512))
    assert [item for unit in shards for item in unit] == items
    assert MOST < max(map(len, shards)) <= 512
    assert len(list(units([Item("a", "a", size=2**26)] * 8, 512))) == 2


def test_a_list_of_millions_is_held_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "WINDOW", 2)
    Path("list.txt").write_text("x/a.png\nx/a.jpg\nx/b.png\nx/c.png\nx/c.jpg\n")
    found = listed(["@list.txt"], None, (), recursive=True)
    assert [(item.own, item.lone) for item in found] == [
        ("x/a.png", False),
        ("x/a.jpg", False),
        ("x/b.png", True),
        ("x/c.png", True),
        ("x/c.jpg", True),
    ]


def test_webdataset_finds_the_whole_stem() -> None:
    assert member_name("a.b/100%.v2.png") == "a.b/100%25%2Ev2.png"
    assert member_name("sub/a.png") == "sub/a.png"


@pytest.mark.parametrize(("option", "value"), [("--shards", "webdataset"), ("--cluster-cpus", "2")])
def test_options_of_clusters_need_one(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["degrade", "album", "-o", "new/", option, value]) == USAGE
    assert capsys.readouterr().err == (
        f"senga: {option} {value}: is for --cluster, and there is none; add `--cluster local`\n"
    )


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--shards", "parquet"], "--shards parquet: needs an output; name a folder or a URL with -o"),
        (
            ["--shards", "parquet", "--json"],
            "--json: the tags go into columns; leave it out, or use --shards webdataset",
        ),
    ],
)
def test_shards_of_tags_need_a_place_and_no_format(
    words: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tag", "album", "--cluster", "local", *words]) == USAGE
    assert capsys.readouterr().err == f"senga: {text}\n"


def test_what_travels_arrives_as_it_was() -> None:
    unit = [Item("\udcff.png", "線.png", lone=False, size=3, time=4)]
    text = to_text(unit)
    assert text.isascii()
    assert items_of(text) == unit
    assert outcome_of(to_text(Outcome(pictures=3, fault="x"))) == Outcome(pictures=3, fault="x")


def test_files_here_are_places_too() -> None:
    places.store(b"abc", "made/x.bin")
    assert (places.read("made/x.bin"), places.read("made/y.bin")) == (b"abc", None)
    assert places.sizes(["made/x.bin", "made/y.bin"]) == [3, None]
    assert places.local_path("file:///a%20b.png") == "/a b.png"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["nowhere", "-o", "new/"], "nowhere: there is no such file or folder; check the name"),
        (["-", "-o", "new/"], "--cluster: standard input and output are one picture; name files and folders"),
        (["album", "-o", "new/", "--cluster-cpus", "0"], "--cluster-cpus 0: expected 1 or more"),
        (["album", "-o", "new/", "--shards", "parquet"], "--shards parquet: holds tags, not pictures; use webdataset"),
        (["no.tar", "-o", "new/"], "no.tar: there is no such file or folder; check the name"),
        (["album", "-o", "new/", "--workers", "0"], "--workers 0: expected 1 to 64"),
        (
            ["album/a.png", "-o", "new.png"],
            "-o new.png: is the name of a file; with --cluster name a folder, or end its name in /",
        ),
    ],
)
def test_a_wrong_call_is_one_sentence(words: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["degrade", *words, "--cluster", "local"]) == USAGE
    assert capsys.readouterr().err == f"senga: {text}\n"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--name", "{other}{ext}"], "--name {other}{ext}: {other} is unknown; choose from {stem}, {ext}, {model}"),
        (["--quality", "90"], "--quality 90: png has no quality; leave it out, or choose another --format"),
        (["--format", "jpeg", "--quality", "900"], "--quality 900: expected 1 to 100"),
        (["--format", "mp4", "--crf", "99"], "--crf 99: expected 0 (best) to 51 for h264"),
    ],
)
def test_a_faulty_option_is_said_once_and_not_of_each_picture(
    words: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    save_model(Path("m.safetensors"), UpscaleModel.create("espcn_7", scale=2, widths=[4, 4]))
    call = ["upscale", "album", "-o", "new/", "--model", "m.safetensors", "--cluster", "local", *words]
    assert main(call) == USAGE
    assert capsys.readouterr().err.startswith(f"senga: {text}")


def test_a_fault_of_the_program_is_reported_for_each_picture_of_its_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(batch_worker, "checked", broken)
    (found,) = done("degrade", "album", "-o", "album/out/")
    assert [name for name, _ in found.failed] == [
        "album/a.jpg",
        "album/a.png",
        "album/sub/b.png",
        "album/sub/deep/c.webp",
    ]
    assert found.failed[0][1] == "album/a.jpg: KeyError: 'x'"
    assert (found.pictures, found.fault) == (4, "")
