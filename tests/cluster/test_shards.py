"""WebDataset shards as input, WebDataset and Parquet as output: what a worker does with a unit, without Ray."""

import json
import os
import tarfile
from pathlib import Path

import pytest
from sample_taggers import known_tagger
from sample_units import contents, counts, done, draw
from senga.arch import save_model
from senga.headless.cli import OK, main
from senga.headless.cluster import places, staging
from senga.headless.cluster.listing import listed

pytest.importorskip("pyarrow.fs", reason='needs the extra "cluster"')
pytestmark = pytest.mark.cluster

NAMES = ("000/1.png", "000/sub/2.webp", "000/a.b.png", "001/1.png", "001/2.png")


@pytest.fixture(autouse=True)
def album(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same pictures as a folder and as shards."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(NAMES):
        draw(Path("album", name), number, side=16)
        Path("album", name).with_suffix(".txt").write_text("a caption")
    for shard in ("000", "001"):
        pack(shard)


def pack(shard: str) -> Path:
    path = Path("shards", f"{shard}.tar")
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w") as tar:
        tar.add(Path("album", shard), arcname=".")
    return path


def plain(*words: str) -> None:
    assert main([*words, "--force"]) == OK


def test_shards_become_the_files_of_their_folders() -> None:
    plain("degrade", "album", "-o", "one/")
    found = done("degrade", "shards/*.tar", "-o", "many/")
    assert counts(found) == (len(NAMES), 0, 0)
    assert contents(Path("many")) == contents(Path("one"))
    reported = sorted(text for outcome in found for text in outcome.results)
    assert reported == sorted(f"many/{Path(name).with_suffix('.png')}" for name in NAMES)
    assert counts(done("degrade", "shards/*.tar", "-o", "many/")) == (0, len(NAMES), 0)
    Path("list.txt").write_text("shards/001.tar\nalbum/000/1.png\n")
    assert counts(done("degrade", "@list.txt", "-o", "listed/")) == (3, 0, 0)
    assert set(contents(Path("listed"))) == {"shards/001/1.png", "shards/001/2.png", "album/000/1.png"}


def test_a_folder_is_searched_for_pictures_alone() -> None:
    draw(Path("shards/x.png"), 9)
    assert [item.own for item in listed(["shards"], None, (".png",), recursive=True)] == ["x.png"]


def test_members_that_lead_out_are_kept_inside_and_twins_are_reported() -> None:
    names = ("../../x.png", "/abs/y.png", ".hidden.png", "twin.png", "twin.png")
    with tarfile.open("odd.tar", "w") as tar:
        for name, own in zip(names, NAMES, strict=True):
            member = tarfile.TarInfo(name)
            member.size = Path("album", own).stat().st_size
            with Path("album", own).open("rb") as file:
                tar.addfile(member, file)
    (found,) = done("degrade", "odd.tar", "-o", "out/")
    assert counts([found]) == (3, 0, 1)
    assert set(contents(Path("out"))) == {"odd/x.png", "odd/abs/y.png", "odd/twin.png.png"}
    ((name, why),) = found.failed
    assert name == "odd.tar/twin.png"
    assert "something else was written there during the run" in why


@pytest.mark.parametrize("kind", ["files", "webdataset"])
def test_a_damaged_shard_gives_what_it_has_and_is_reported(kind: str) -> None:
    shard = Path("shards/001.tar")
    with tarfile.open(shard) as tar:
        last = next(member for member in tar if member.name.endswith("2.png"))
    call = ["degrade", "shards/001.tar", "-o", "out/", *(["--shards", kind] if kind != "files" else [])]
    data = shard.read_bytes()
    shard.write_bytes(data[: last.offset] + b"garbage" * 100)
    (found,) = done(*call)
    assert counts([found]) == (1, 0, 1)
    ((name, why),) = found.failed
    assert name == "shards/001.tar"
    assert why.startswith("shards/001.tar: the shard cannot be read to its end (no header at byte ")
    shard.write_bytes(data[: last.offset_data + 50])
    os.utime(shard, ns=(1, 1))
    (found,) = done(*call)
    reasons = dict(found.failed)
    assert set(reasons) == {"shards/001.tar", f"shards/001.tar/{last.name}"}
    assert f"after 50 of {last.size} bytes" in reasons[f"shards/001.tar/{last.name}"]
    pack("001")
    assert counts(done(*call))[2] == 0


def test_what_is_no_tar_is_reported() -> None:
    Path("no.tar").write_text("nothing of the kind" * 100)
    (found,) = done("degrade", "no.tar", "-o", "out/")
    assert counts([found]) == (0, 0, 1)
    assert "no.tar: the shard cannot be read to its end" in found.failed[0][1]


def test_results_in_webdataset_are_read_by_it_and_known_again() -> None:
    from webdataset.compat import WebDataset

    plain("degrade", "album", "-o", "one/", "--report")
    call = ["degrade", "album", "-o", "many/", "--shards", "webdataset", "--report"]
    assert counts(done(*call)) == (len(NAMES), 0, 0)
    (shard,) = Path("many").glob("*.tar")
    before = shard.read_bytes()
    samples = {sample["__key__"]: sample for sample in WebDataset(str(shard), shardshuffle=False)}
    assert set(samples) == {"000/1", "000/sub/2", "000/a%2Eb", "001/1", "001/2"}
    for key, sample in samples.items():
        stem = Path("one", key.replace("%2E", "."))
        assert sample["png"] == stem.with_name(f"{stem.name}.png").read_bytes()
        assert sample["json"] == stem.with_name(f"{stem.name}.json").read_bytes()
    stamp = shard.stat().st_mtime_ns
    (again,) = done(*call)
    assert (counts([again]), again.shard, again.results) == ((0, len(NAMES), 0), shard.name, [])
    assert shard.stat().st_mtime_ns == stamp
    shard.unlink()
    (again,) = done(*call)
    assert (again.done, again.results) == (len(NAMES), [f"many/{shard.name}"])
    assert shard.read_bytes() == before
    assert counts(done(*call, "--seed", "5"))[0] == len(NAMES)
    assert shard.read_bytes() != before
    assert counts(done(*call))[0] == len(NAMES)
    Path("album/001/2.png").unlink()
    assert counts(done(*call)) == (len(NAMES) - 1, 0, 0)


def test_a_bad_picture_is_reported_each_time_and_its_shard_written_once() -> None:
    Path("album/bad.png").write_text("no picture")
    call = ["degrade", "album", "-o", "many/", "--shards", "webdataset"]
    assert counts(done(*call)) == (len(NAMES), 0, 1)
    (again,) = done(*call)
    assert counts([again]) == (0, len(NAMES), 1)
    assert again.failed[0][0] == "album/bad.png"
    assert again.failed[0][1].startswith("album/bad.png: not a picture")
    draw(Path("album/bad.png"), 7)
    assert counts(done(*call)) == (len(NAMES) + 1, 0, 0)


@pytest.mark.parametrize("moment", ["send", "store"])
def test_what_a_lost_worker_has_not_noted_is_made_again(monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    call = ["degrade", "album", "-o", "many/", "--shards", "webdataset"]
    counts(done(*call))
    other = [*call, "--seed", "5"]

    def fail(*_: object) -> None:
        raise OSError("lost")

    with monkeypatch.context() as patch:
        patch.setattr(staging.places, moment, fail)
        (lost,) = done(*other)
    assert lost.fault == "a machine of the cluster cannot do the work: lost"
    assert not list(Path("many").glob(".senga_units/*"))
    assert counts(done(*call)) == (len(NAMES), 0, 0)  # the old note must not speak for a shard that may be another
    assert counts(done(*call)) == (0, len(NAMES), 0)


def test_tags_in_columns_are_those_of_the_json_files() -> None:
    from pyarrow import parquet

    save_model(Path("t.safetensors"), known_tagger([0.5, 0.95, 0.55, 0.9, 0.75, 0.97, 0.7, 0.2, 0.1]))
    plain("tag", "album", "--model", "t.safetensors", "--json", "-o", "one/", "--include-rating")
    call = ["tag", "album", "--model", "t.safetensors", "-o", "many/", "--shards", "parquet", "--include-rating"]
    assert counts(done(*call)) == (len(NAMES), 0, 0)
    (shard,) = Path("many").glob("*.parquet")
    rows = parquet.read_table(shard).to_pylist()
    assert sorted(row["name"] for row in rows) == sorted(NAMES)
    for row in rows:
        known = json.loads(Path("one", row["name"]).with_suffix(".json").read_text())
        assert (row["tags"], row["rating"], dict(row["scores"])) == (known["tags"], known["rating"], known["scores"])
        assert set(known["scores"]) == {*row["general"], *row["characters"], row["rating"]}
        assert row["characters"] == ["hatsune_miku"]
        assert {"solo", "1girl"} <= set(row["general"])
    assert counts(done(*call)) == (0, len(NAMES), 0)
    assert counts(done(*call, "--general-threshold", "0.99"))[0] == len(NAMES)


def test_files_here_are_read_in_the_middle() -> None:
    with places.opened("shards/000.tar") as file:
        assert file.read_at(5, 257) == Path("shards/000.tar").read_bytes()[257:262]
