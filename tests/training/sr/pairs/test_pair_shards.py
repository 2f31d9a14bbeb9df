"""Pairs in shards: the same as from folders, and nothing of their names leads out of a run."""

import io
import json
import tarfile
from pathlib import Path

import pytest
from PIL import Image
from sample_picture_sets import drawing, same
from senga.arch import UpscaleModel
from senga.training.sr.pairs.pair_set import open_pictures
from senga.training.sr.patches import batch
from senga.training.sr.settings import DataSettings, PairSettings, ValSettings
from senga.training.sr.validation.validation_crops import open_own
from senga.training.sr.validation.whole_pictures import list_wholes, results, validate_wholes

COUNT = 5


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """hr/0.png and so on, and lr/0.png in half the size."""
    folder = tmp_path_factory.mktemp("pairs")
    for name in ("lr", "hr"):
        (folder / name).mkdir()
    for i in range(COUNT):
        hr = drawing(120, i).convert("RGB")
        hr.save(folder / "hr" / f"{i}.png")
        hr.resize((60, 60), Image.Resampling.BOX).save(folder / "lr" / f"{i}.png")
    return folder


def tar_of(path: Path, members: dict[str, bytes]) -> str:
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path.as_posix()


def test_pairs_in_shards_give_the_batches_of_the_folders(pairs, tmp_path):
    for shard, numbers in {"lr-0": [4, 0], "lr-1": [3, 1, 2], "hr-0": [2, 1, 0, 3, 4]}.items():
        files = {f"./{i}.png": (pairs / shard[:2] / f"{i}.png").read_bytes() for i in numbers}
        tar_of(tmp_path / f"{shard}.tar", files)
    folders = [(pairs / kind).as_posix() for kind in ("lr", "hr")]
    patterns = [f"{tmp_path.as_posix()}/{kind}-*.tar" for kind in ("lr", "hr")]
    for align in (False, True):
        ways = [PairSettings(lr, hr, align=align) for lr, hr in (folders, patterns)]
        settings = [DataSettings(folder="nowhere", pairs=[way], patch=16, batch=4, val_share=0.3) for way in ways]
        folder, tars = (open_pictures(one, 2) for one in settings)
        assert [twin.hr.file for twin in tars.pairs[0].val] == [twin.hr.file for twin in folder.pairs[0].val]
        for step in (3, 0):
            assert same(batch(tars, settings[1], 2, 1, step), batch(folder, settings[0], 2, 1, step))


def test_no_name_in_a_shard_leads_a_result_out_of_the_run(pairs, tmp_path):
    goal, note = tmp_path / "precious.png", tmp_path / "noted.png"
    for path in (goal, note):
        path.write_bytes(b"precious")
    shards = {
        kind: tar_of(
            tmp_path / f"{kind}.tar",
            {
                goal.as_posix(): (pairs / kind / "0.png").read_bytes(),
                "../../../../two.png": (pairs / kind / "2.png").read_bytes(),
                "three.png": (pairs / kind / "4.png").read_bytes(),
                "three.json": json.dumps({"file": note.as_posix()}).encode(),
            },
        )
        for kind in ("lr", "hr")
    }
    own = open_own(ValSettings(pairs=[PairSettings(lr=shards["lr"], hr=shards["hr"])]), 2)
    run = tmp_path / "runs" / "one"
    made = validate_wholes(
        UpscaleModel.create("compact", scale=2, features=8, layers=1), list_wholes(own, 2, "clean"), run, "fp32", 1
    )
    assert made["psnr_y_whole"] > 5
    found = {path.relative_to(run).as_posix() for path in run.rglob("*.png")}
    inside = {f"validation/pairs{path.as_posix()}" for path in (goal, note)}
    assert found == {"validation/pairs/two.png", *inside}
    assert goal.read_bytes() == note.read_bytes() == b"precious"
    assert not list(tmp_path.parent.glob("two.png"))


def test_results_of_pictures_that_differ_in_their_endings_have_their_own_files():
    assert results("own", ["a.jpg", "sub/a.jpg", "b.webp"]) == ["own/a.png", "own/sub/a.png", "own/b.png"]
    assert results("own", ["a.jpg", "a.webp"]) == ["own/a.jpg.png", "own/a.webp.png"]
    found = results("pairs", ["a.png", "/a.png", "b.png", "B.png", ".."])
    assert found == ["pairs/a.png.png", "pairs/a.png-2.png", "pairs/b.png", "pairs/B-2.png", "pairs.png"]
