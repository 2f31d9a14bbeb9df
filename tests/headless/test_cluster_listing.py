"""What `--cluster` takes for the pictures of a call, and how they are dealt out; without Ray."""

import io
import json
import logging
import socket
import sys
from pathlib import Path

import pytest
from sample_units import done
from senga.arch import UpscaleModel, save_model
from senga.headless.cli import FAILED, USAGE, main
from senga.headless.cluster import listing, places
from senga.headless.cluster.engine import Share, check_answers, innermost, rest
from senga.headless.cluster.listing import listed
from senga.headless.cluster.shards import member_name
from senga.headless.cluster.tally import Report, Tally
from senga.headless.cluster.units import MOST, Item, Outcome, items_of, outcome_of, to_text, units
from senga.headless.commands import batch_worker
from senga.headless.errors import SengaError, UsageError
from senga.headless.progress import ProgressLine
from tqdm import tqdm


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


def test_of_an_error_of_ray_the_last_cause_is_said() -> None:
    text = (
        "The actor died because of an error raised in its creation task, ray::MapWorker.__init__() (pid=14201)\n"
        "  At least one of the input arguments for this task could not be computed:\n"
        "ray.exceptions.RaySystemError: System error: No module named 'senga'\ntraceback: Traceback (most recent):\n"
        "           ^^^^^\nModuleNotFoundError: No module named 'senga'\n"
    )
    assert innermost(text) == "ModuleNotFoundError: No module named 'senga'"
    assert innermost("The head is\ngone") == "The head is gone"


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


class Lines(ProgressLine):
    """Results alone."""

    def __init__(self) -> None:
        super().__init__(tqdm(disable=True))


def test_what_is_counted_what_failed_and_what_is_lost_is_said_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    counts = iter([None, None, 10])
    written = io.StringIO()
    with Report(Path("new")) as report, caplog.at_level("INFO", logger="senga"):
        tally = Tally(Lines(), lambda: next(counts), report, written)
        tally.add(Outcome(pictures=3, done=2, skipped=1, results=["new/a.png", "new/b.png"], shard="s.tar"))
        failed = [("\udcff.png", "\udcff.png: is damaged")]
        tally.add(Outcome(pictures=4, done=3, replaced=1, failed=failed, said=[(logging.WARNING, "a remark")]))
        assert tally.end() == FAILED
    assert written.getvalue() == "new/a.png\nnew/b.png\n"
    assert tally.shards == {"s.tar"}
    said = [record.getMessage() for record in caplog.records]
    assert said[0] == "a remark"
    assert said[1].startswith("10 pictures: 5 done (1 replaced), 1 skipped, 1 failed in ")
    assert said[2] == "3 pictures lost with workers that ended again and again, for want of memory?"
    assert said[3] == "1 picture failed; see new/senga_failed.jsonl for names and reasons"
    (line,) = Path("new/senga_failed.jsonl").read_text().splitlines()
    assert json.loads(line) == {"file": "\udcff.png", "error": "\udcff.png: is damaged"}
    with Report(Path("new")):  # of the next run
        assert not Path("new/senga_failed.jsonl").exists()


def test_a_machine_that_cannot_work_ends_the_command_and_no_picture_is_a_wrong_call() -> None:
    with Report(Path("new")) as report:
        tally = Tally(Lines(), lambda: 0, report, io.StringIO())
        with pytest.raises(SengaError, match="the model is another file there"):
            tally.add(Outcome(pictures=1, fault="the model is another file there"))
        with pytest.raises(UsageError, match="no picture was found"):
            Tally(Lines(), lambda: 0, report, io.StringIO()).end()
