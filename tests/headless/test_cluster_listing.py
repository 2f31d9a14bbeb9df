"""What `--cluster` takes for the pictures of a call, and how they are dealt out; without Ray."""

import socket
import sys
from pathlib import Path

import pytest
from senga.headless.cli import FAILED, USAGE, main
from senga.headless.cluster import listing, places
from senga.headless.cluster.engine import Share, check_answers, rest
from senga.headless.cluster.listing import listed
from senga.headless.cluster.shards import member_name
from senga.headless.cluster.units import MOST, Item, Outcome, items_of, outcome_of, to_text, units
from senga.headless.errors import SengaError, UsageError


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


def test_workers_take_what_machines_have() -> None:
    cpus: list[dict[str, float]] = [{"CPU": 8.0}, {"CPU": 2.0}, {}]
    share = Share.of(cpus, None, network=True, gpu=True)
    assert (share, share.workers(cpus)) == (Share(2, 0), 5)
    assert Share.of(cpus, None, network=False, gpu=True) == Share(1, 0)
    gpus: list[dict[str, float]] = [{"CPU": 8.0, "GPU": 2.0}, {"CPU": 2.0}]
    share = Share.of(gpus, None, network=True, gpu=True)
    assert (share, share.workers(gpus)) == (Share(1, 1), 2)
    assert Share.of(gpus, None, network=True, gpu=False) == Share(2, 0)
    with pytest.raises(UsageError, match="--cluster-cpus 9: no machine that can work has more than 8"):
        Share.of(cpus, 9, network=True, gpu=True)
    small: list[dict[str, float]] = [{"CPU": 2.0, "GPU": 1.0}, {"CPU": 8.0}]  # the large one is left out
    with pytest.raises(UsageError, match="--cluster-cpus 4: no machine that can work has more than 2"):
        Share.of(small, 4, network=True, gpu=True)
    assert Share.of(small, 4, network=True, gpu=False) == Share(4, 0)
    with pytest.raises(SengaError, match="no machine of the cluster has CPUs to work with"):
        Share.of([{}, {"GPU": 1.0}], None, network=True, gpu=True)


def test_progress_names_rate_and_rest() -> None:
    assert rest(10, 5.0, None) == "10 pictures, 2.0/s"
    assert rest(10, 5.0, 10 + 2 * 3725) == "10/7460 pictures, 2.0/s, 1:02:05 left"


def test_files_here_are_places_too() -> None:
    places.store(b"abc", "made/x.bin")
    assert (places.read("made/x.bin"), places.read("made/y.bin")) == (b"abc", None)
    assert places.sizes(["made/x.bin", "made/y.bin"]) == [3, None]
    assert places.local_path("file:///a%20b.png") == "/a b.png"


def test_without_ray_one_sentence_says_how_it_is_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["degrade", "album", "-o", "new/", "--cluster", "local"]) == FAILED
    said = 'senga: --cluster: needs ray, which is not installed; pip install -c constraints.txt ".[cluster]"\n'
    assert capsys.readouterr().err == said


def test_where_no_cluster_answers_one_sentence_says_so_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as unused:  # bound, and not listening
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        monkeypatch.setitem(sys.modules, "ray", None)  # it is not asked
        for where in (address, f"ray://{address}"):
            assert main(["degrade", "album", "-o", "new/", "--cluster", where]) == FAILED
            said = capsys.readouterr().err
            assert said.startswith(f"senga: --cluster {where}: Ray cannot be reached there ([Errno ")
            assert said.endswith("give its address as HOST:6379, or use `--cluster local`\n")
        assert main(["degrade", "album", "-o", "new/", "--cluster", "127.0.0.1"]) == FAILED
        assert "Ray cannot be reached there (expected HOST:PORT)" in capsys.readouterr().err


def test_a_cluster_that_listens_is_tried_by_ray() -> None:
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "[::1]")):
        with socket.socket(family) as head:
            try:
                head.bind((host.strip("[]"), 0))
            except OSError:  # a machine without IPv6
                continue
            head.listen()
            check_answers(f"{host}:{head.getsockname()[1]}")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["nowhere", "-o", "new/"], "nowhere: there is no such file or folder; check the name"),
        (["-", "-o", "new/"], "--cluster: standard input and output are one picture; name files and folders"),
        (["album", "-o", "new/", "--cluster-cpus", "0"], "--cluster-cpus 0: expected 1 or more"),
        (["album", "-o", "new/", "--shards", "parquet"], "--shards parquet: holds tags, not pictures; use webdataset"),
        (["no.tar", "-o", "new/"], "no.tar: there is no such file or folder; check the name"),
    ],
)
def test_a_wrong_call_is_one_sentence(words: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["degrade", *words, "--cluster", "local"]) == USAGE
    assert capsys.readouterr().err == f"senga: {text}\n"
