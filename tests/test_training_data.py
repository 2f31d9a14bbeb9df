"""The data stream: a batch is a function of seed and step alone; what a set may be; what is done about bad files."""

import csv
import hashlib
import io
import json
import pickle
import shutil
import tarfile
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from senga.arch import SengaError
from senga.training import data
from senga.training.damage import damaged, described, mixture
from senga.training.data import PictureSet, batch, batches, check_set, content, cut, difficulty, validation_pairs
from senga.training.degradation import preset
from senga.training.picture_files import UnreadableError, decode
from senga.training.settings import DataSettings
from training_made import drawing, make_set

SMALL = DataSettings(patch=12, batch=4, degradation="senga_blind")


@pytest.fixture(scope="module")
def art(tmp_path_factory) -> Path:
    return make_set(tmp_path_factory.mktemp("art"))


@pytest.fixture
def own(tmp_path, art) -> Path:
    """A copy of the set, to damage."""
    return Path(shutil.copytree(art, tmp_path / "set", ignore=shutil.ignore_patterns(".*")))


def same(first: Sequence[torch.Tensor], second: Sequence[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


# --- the stream -------------------------------------------------------------------------------------------------------


def test_a_batch_depends_on_seed_and_step_alone(art):
    first, second = PictureSet(art, 1.0), PictureSet(art, 0.0)  # the second keeps nothing
    batch(second, SMALL, 2, 1, 7)
    for step in (3, 0):
        assert same(batch(first, SMALL, 2, 1, step), batch(second, SMALL, 2, 1, step))
    lr, hr = batch(first, SMALL, 2, 1, 0)
    assert lr.shape == (4, 3, 12, 12)
    assert hr.shape == (4, 3, 24, 24)
    assert 0 <= lr.min() < lr.max() <= 1
    assert not same((lr, hr), batch(first, SMALL, 2, 2, 0))
    assert not same((lr, hr), batch(first, SMALL, 2, 1, 1))


def test_batches_come_in_order_from_the_thread(art):
    pictures = PictureSet(art, 1.0)
    for steps in (range(5, 9), range(2, 3), range(0)):
        found = list(batches(pictures, SMALL, 2, 1, steps))
        assert len(found) == len(steps)
        assert all(same(pair, batch(pictures, SMALL, 2, 1, step)) for pair, step in zip(found, steps, strict=True))


def test_a_stream_that_is_left_early_ends_its_thread(art):
    before = threading.active_count()
    stream = batches(PictureSet(art, 1.0), SMALL, 2, 1, range(1000))
    next(stream)
    stream.close()
    assert threading.active_count() == before


def test_processes_cut_the_same_batches(art):
    pictures = PictureSet(art, 1.0)
    settings = DataSettings(patch=12, batch=4, degradation="senga_blind", workers=2)
    found = list(batches(pictures, settings, 2, 1, range(3)))
    assert len(found) == 3
    assert all(same(pair, batch(pictures, SMALL, 2, 1, step)) for step, pair in enumerate(found))


@pytest.mark.parametrize("world", [2, 4])
def test_the_parts_of_several_processes_are_the_batch_of_one(world, art):
    pictures = PictureSet(art, 1.0)
    parts = [batch(pictures, SMALL, 2, 1, 5, rank, world) for rank in range(world)]
    together = tuple(torch.cat(tensors) for tensors in zip(*parts, strict=True))
    assert same(together, batch(pictures, SMALL, 2, 1, 5))
    streamed = list(batches(pictures, SMALL, 2, 1, range(5, 6), 1, world))
    assert same(streamed[0], parts[1])


def test_a_batch_that_cannot_be_dealt_out_is_named(art):
    with pytest.raises(SengaError, match=r"data\.batch is 4; wanted a multiple of the 3 processes"):
        batch(PictureSet(art, 1.0), SMALL, 2, 1, 0, 0, 3)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_lr_and_hr_show_the_same_place(scale, art):
    """A shift of a pixel between them would cost decibels for ever."""
    settings = DataSettings(patch=24, batch=4, degradation="senga_clean")
    lr, hr = batch(PictureSet(art, 1.0), settings, scale, 1, 0)
    assert (torch.nn.functional.avg_pool2d(hr, scale) - lr).abs().mean() < 0.02


def test_a_net_that_keeps_the_size_learns_from_codecs_alone(art):
    pictures = PictureSet(art, 1.0)
    clean, hr = batch(pictures, DataSettings(patch=24, batch=8, degradation="bicubic"), 1, 1, 0)
    assert torch.equal(clean, hr)
    damaged, hr = batch(pictures, DataSettings(patch=24, batch=8, degradation="senga_blind"), 1, 1, 0)
    errors = (damaged - hr).abs().mean(dim=(1, 2, 3))
    assert 1 <= (errors == 0).sum() < 8  # three in ten are left as they are
    assert 0.001 < errors.mean() < 0.05


def test_the_degradation_damages_the_small_picture_alone(art):
    """The draws of the crop are the same, so the large pictures are equal and the small ones are not."""
    pictures = PictureSet(art, 1.0)
    (clean, hr), (damaged, hr2) = (
        batch(pictures, DataSettings(patch=24, batch=4, degradation=name), 2, 1, 0) for name in ("bicubic", "q50")
    )
    assert torch.equal(hr, hr2)
    assert 0.001 < (clean - damaged).abs().mean() < 0.1


def test_recipes_of_a_mixture_are_drawn_by_their_weights():
    hr = np.asarray(drawing(32, 0).convert("RGB"))
    rng = np.random.default_rng(0)
    weights = {"clean": 3, "q50": 1.0, "q95": 0.0}
    results = Counter(damaged(hr, weights, 2, rng).tobytes() for _ in range(400))
    assert len(results) == 2
    assert 0.68 < results[damaged(hr, "clean", 2, rng).tobytes()] / 400 < 0.82


def test_a_recipe_may_be_a_file_and_what_is_none_is_named(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(preset("yu45020_1").to_json())
    ((recipe, weight),) = mixture(path.as_posix(), 4)
    assert (recipe.name, recipe.scale, weight) == ("yu45020_1", 4.0, 1.0)
    assert json.loads(described(path.as_posix(), 4)[0][0])["steps"] == json.loads(recipe.to_json())["steps"]
    with pytest.raises(SengaError, match=r"nowhere\.json: cannot be read"):
        mixture("nowhere.json", 2)
    with pytest.raises(SengaError, match="the preset 'senga_blnd' is unknown; did you mean 'senga_blind'"):
        mixture({"bicubic": 1.0, "senga_blnd": 1.0}, 2)


def test_sources_are_drawn_by_their_shares(art, monkeypatch):
    pictures = PictureSet(art, 1.0)
    drawn: list[str] = []
    monkeypatch.setattr(PictureSet, "pixels", lambda self, row: drawn.append(row.source))
    settings = DataSettings(shares={"a": 3.0})
    for seed in range(400):
        data.draw_picture(pictures, settings, 50, np.random.default_rng(seed))
    assert 0.68 < drawn.count("a") / 400 < 0.82


# --- crops ------------------------------------------------------------------------------------------------------------


def corner(side: int = 400, busy: int = 100) -> np.ndarray:
    picture = np.full((side, side, 4), 255, np.uint8)
    picture[:busy, :busy, :3] = np.random.default_rng(0).integers(0, 256, (busy, busy, 3))
    return picture


def test_crops_with_content_are_preferred():
    found = [cut(corner(), 64, (1.0, 1.0), np.random.default_rng(seed)) for seed in range(60)]
    assert sum(crop.std() > 3 for crop in found) > 20  # one crop in six would be, at random


def test_a_flat_picture_gives_a_crop_all_the_same():
    flat = np.full((80, 80, 3), 200, np.uint8)
    assert (cut(flat, 64, (0.5, 1.0), np.random.default_rng(0), among=3) == 200).all()


def test_mined_crops_are_those_on_which_lanczos_fails():
    """One half of the picture is a soft gradient, the other fine lines; both have content."""
    picture = np.repeat(np.linspace(0, 255, 400).astype(np.uint8)[:, None, None], 400, axis=1).repeat(3, axis=2)
    picture[:, 200:] = np.where(np.arange(200)[None, :, None] // 2 % 2, 255, 0)

    def lined(among: int) -> float:
        crops = [cut(picture, 64, (1.0, 1.0), np.random.default_rng(seed), 2, among) for seed in range(60)]
        return float(np.mean([difficulty(Image.fromarray(crop).convert("L"), 2) for crop in crops]))

    assert lined(4) > 1.2 * lined(1)


def test_mining_is_as_repeatable_as_all_else_and_takes_its_share(art):
    pictures = PictureSet(art, 1.0)
    plain, mined, half = (DataSettings(patch=12, batch=16, mine=p, mine_among=5) for p in (0.0, 1.0, 0.5))
    assert same(batch(pictures, mined, 2, 1, 0), batch(pictures, mined, 2, 1, 0))
    a, b, c = (batch(pictures, settings, 2, 1, 0)[1] for settings in (plain, mined, half))
    like = [(torch.equal(z, x), torch.equal(z, y)) for x, y, z in zip(a, b, c, strict=True)]
    assert all(plainly or hard for plainly, hard in like)
    assert (True, False) in like
    assert (False, True) in like


def test_clear_parts_take_a_background():
    clear = np.zeros((80, 80, 4), np.uint8)
    clear[20:60, 20:60] = (255, 0, 0, 255)
    grounds = {tuple(cut(clear, 80, (1.0, 1.0), np.random.default_rng(seed))[0, 0].tolist()) for seed in range(20)}
    assert (255, 255, 255) in grounds
    assert len(grounds) > 5
    half = np.full((1, 1, 4), (200, 100, 0, 128), np.uint8)
    exact = np.rint(np.array([200, 100, 0]) * (128 / 255) + np.array([10, 20, 30]) * (127 / 255))
    assert data.flatten(half, np.array([10, 20, 30], np.uint8))[0, 0].tolist() == exact.tolist()


def test_pictures_too_small_for_a_crop_are_passed_over(art):
    pictures = PictureSet(art, 1.0)
    assert sum(map(len, pictures.sources(220).values())) == 4
    with pytest.raises(SengaError, match=r"no training picture has the 221 pixels a side .* largest has 220"):
        pictures.sources(221)


# --- memory -----------------------------------------------------------------------------------------------------------


def test_the_cache_keeps_its_budget_and_forgets_the_oldest(art):
    one = 220 * 220 * 4
    pictures = PictureSet(art, 2.5 * one / 2**30)
    a, b, c, _ = pictures.train
    for row in (a, b, a, c):  # b was not asked for the longest
        pictures.pixels(row)
        assert pictures.cached_bytes() <= 2.5 * one
    assert pictures.pixels(a) is pictures.pixels(a)
    kept = pictures.pixels(c)
    pictures.pixels(b)
    assert pictures.cached_bytes() == 2 * one
    assert pictures.pixels(c) is kept


def test_threads_share_the_cache_without_losing_count(art):
    one = 220 * 220 * 4
    pictures = PictureSet(art, 2.5 * one / 2**30)

    def read(offset: int) -> None:
        for i in range(40):
            pictures.pixels(pictures.train[(i + offset) % 4])

    threads = [threading.Thread(target=read, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pictures.cached_bytes() == sum(picture.nbytes for picture in pictures._cache.values()) <= 2.5 * one


def test_a_part_of_a_set_has_a_part_of_the_budget_and_travels_to_a_process(art):
    whole = PictureSet(art, 1.0)
    whole.pixels(whole.train[0])
    part = pickle.loads(pickle.dumps(whole.parted(4)))
    assert part._budget == 2**28
    assert part.cached_bytes() == 0
    assert same(batch(part, SMALL, 2, 1, 0), batch(whole, SMALL, 2, 1, 0))


# --- what a set may be ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file;split;source;licence;width;height\n", r"manifest\.csv: has no column 'file'"),
        ("file,source,licence,width,height\n", r"manifest\.csv: has no column 'split'"),
        ("file,split,source,licence,width,height\na,train,b,c,big,3\n", r"line 2: the size is 'big' x '3'"),
        ("file,split,source,licence,width,height\na,valid,b,c,3,3\n", "has 0 train and 0 val pictures"),
    ],
)
def test_a_manifest_that_is_none_is_named_with_its_fault(text, words, tmp_path):
    (tmp_path / "manifest.csv").write_text(text)
    with pytest.raises(SengaError, match=words):
        PictureSet(tmp_path, 1.0)


def test_the_manifest_names_the_set(own):
    pictures = PictureSet(own, 1.0)
    assert pictures.sha256 == hashlib.sha256((own / "manifest.csv").read_bytes()).hexdigest()
    assert pictures.licences == ("CC0-1.0", "MIT")
    assert pictures.rejected == []


@pytest.fixture
def plain(tmp_path) -> Path:
    """Thirty pictures in folders, without a manifest."""
    for i in range(30):
        path = tmp_path / "plain" / f"f{i % 3}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        drawing(80, i).save(path)
    (tmp_path / "plain" / "notes.txt").write_text("no picture")
    (tmp_path / "plain" / ".hidden.png").write_bytes(b"")
    return tmp_path / "plain"


def test_a_plain_folder_is_a_set_too(plain):
    pictures = PictureSet(plain, 1.0, val_share=0.3)
    assert len(pictures.train) + len(pictures.val) == 30
    assert 3 <= len(pictures.val) <= 17
    assert pictures.licences == ("unknown",)
    assert set(pictures.sources(80)) == {"pictures"}
    assert same(batch(pictures, SMALL, 2, 1, 0), batch(PictureSet(plain, 1.0, val_share=0.3), SMALL, 2, 1, 0))
    assert len(PictureSet(plain, 1.0, val_share=0.0).val) == 1


def test_a_pictures_split_does_not_depend_on_the_others(plain):
    before = {row.file for row in PictureSet(plain, 1.0, val_share=0.3).val}
    gone = sorted(plain.rglob("*.png"))[::3]
    for path in gone:
        path.unlink()
    left = {row.file for row in PictureSet(plain, 1.0, val_share=0.3).val}
    assert left == {name for name in before if (plain / name).is_file()}


def test_the_hash_of_a_plain_folder_is_of_its_contents(plain):
    first = PictureSet(plain, 1.0).sha256
    assert PictureSet(plain, 1.0).sha256 == first
    drawing(80, 99).save(plain / "f0" / "0.png")
    assert PictureSet(plain, 1.0).sha256 != first


def test_a_set_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SengaError, match=r"nowhere.*: there is no manifest, nor are there pictures"):
        PictureSet(tmp_path / "nowhere", 1.0)
    with pytest.raises(SengaError, match=r"a\.tar: there is no such shard"):
        PictureSet(tmp_path / "a.tar", 1.0)
    with pytest.raises(SengaError, match=r"bring them to a disk"):
        PictureSet("https://example.org/a-{0..3}.tar", 1.0)


# --- bad files --------------------------------------------------------------------------------------------------------


def test_bad_files_are_listed_and_skipped(own, tmp_path, caplog):
    whole = (own / "train0.png").read_bytes()
    (own / "empty.png").write_bytes(b"")
    (own / "text.png").write_bytes(b"this is no picture")
    (own / "short.png").write_bytes(whole[: len(whole) // 2])
    Image.new("RGB", (300, 300), (9, 9, 9)).save(own / "black.png")
    Image.new("RGBA", (300, 300), (9, 9, 9, 0)).save(own / "clear.png")
    drawing(100, 0).save(own / "small.png")
    bad = ("empty", "text", "short", "black", "clear", "gone", "small", "other")
    shutil.copy(own / "train0.png", own / "other.png")
    with (own / "manifest.csv").open("a", newline="") as file:
        for name in bad:
            digest = "0" * 64 if name == "other" else ""
            csv.writer(file).writerow([f"{name}.png", "train", "a", "x", "MIT", digest, 300, 300])
    pictures = PictureSet(own, 1.0)
    rejected = {one.file: one.reason for one in check_set(pictures, 120, tmp_path / "run")}
    assert set(rejected) == {f"{name}.png" for name in bad}
    wanted = {
        "empty": "is empty",
        "text": "cannot be read (UnidentifiedImageError",
        "short": "cannot be read (OSError",
        "black": "has one colour",
        "clear": "has one colour",
        "gone": "is missing",
        "small": "is too small (100 pixels; 120 are needed)",
        "other": "is not the file that the manifest means",
    }
    for name, words in wanted.items():
        assert rejected[f"{name}.png"].startswith(words)
        assert words.partition(" (")[0] in caplog.text
    with (tmp_path / "run" / "rejected.csv").open(newline="") as file:
        assert {row["file"]: row["reason"] for row in csv.DictReader(file)} == rejected
    assert {row.file for row in pictures.train} == {f"train{i}.png" for i in range(4)} | {"small.png"}
    for step in range(5):
        batch(pictures, SMALL, 2, 1, step)


def test_what_was_rejected_changes_the_sets_name(own):
    before = PictureSet(own, 1.0).sha256
    (own / "train1.png").write_bytes(b"")
    after = PictureSet(own, 1.0)
    assert [one.file for one in after.rejected] == ["train1.png"]
    assert after.sha256 != before


def test_a_set_of_which_nothing_is_left_is_an_error(own, tmp_path):
    for path in own.glob("train*.png"):
        path.write_bytes(b"")
    with pytest.raises(SengaError, match=r"0 pictures are left to train on and 3 to validate on, 4 were rejected"):
        check_set(PictureSet(own, 1.0), 100, tmp_path / "run")
    assert len((tmp_path / "run" / "rejected.csv").read_text().splitlines()) == 5


def test_pictures_are_looked_at_once(own, monkeypatch):
    PictureSet(own, 1.0)
    looked: list[str] = []
    from senga.training import survey

    real = survey.look
    monkeypatch.setattr(survey, "look", lambda member, stamp: looked.append(member.file) or real(member, stamp))
    PictureSet(own, 1.0)
    assert looked == []
    drawing(230, 5).save(own / "train2.png")
    pictures = PictureSet(own, 1.0)
    assert looked == ["train2.png"]
    assert [row.side for row in pictures.train] == [220, 220, 230, 220]


def test_a_survey_that_cannot_be_written_or_read_is_no_hindrance(own, monkeypatch, caplog):
    (own / ".senga_survey.csv").write_text("nonsense\n1,2,3\n")
    monkeypatch.setattr(Path, "replace", lambda self, target: (_ for _ in ()).throw(PermissionError("read-only")))
    assert len(PictureSet(own, 1.0).train) == 4
    assert "the next start will look at every picture again" in caplog.text


def test_a_picture_gone_bad_since_is_named_and_another_one_taken(own, caplog):
    pictures = PictureSet(own, 1.0)
    (own / "train0.png").write_bytes(b"")
    with pytest.raises(UnreadableError, match=r"train0\.png cannot be read any more"):
        pictures.pixels(pictures.train[0])
    for step in range(10):
        batch(pictures, SMALL, 2, 1, step)
    assert "train0.png cannot be read any more" in caplog.text
    for path in own.glob("train*.png"):
        path.unlink()
    fresh = PictureSet.parted(pictures, 1)
    with pytest.raises(UnreadableError, match="cannot be read any more"):
        batch(fresh, SMALL, 2, 1, 0)


def encoded(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


def test_every_mode_is_decoded_to_what_it_shows():
    opaque = drawing(64, 1).convert("RGB")
    exact = np.asarray(opaque)
    assert np.array_equal(decode(encoded(opaque, format="PNG")), exact)
    assert np.array_equal(decode(encoded(opaque.convert("RGBA"), format="PNG")), exact)  # alpha says nothing
    assert decode(encoded(drawing(64, 1), format="WEBP", lossless=True)).shape == (64, 64, 4)
    grey = Image.fromarray(np.asarray(opaque.convert("L")).astype(np.uint16) * 257)
    assert grey.mode == "I;16"
    assert np.array_equal(decode(encoded(grey, format="PNG"))[..., 0], np.asarray(opaque.convert("L")))
    palette = decode(encoded(opaque.quantize(16), format="PNG", transparency=0))
    assert palette.shape == (64, 64, 4)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG", "GIF", "TIFF", "BMP"])
def test_damaged_files_of_every_kind_are_a_finding_and_no_crash(kind, tmp_path):
    from senga.training.picture_files import Member
    from senga.training.survey import look

    whole = encoded(drawing(64, 1).convert("RGB"), format=kind)
    rng = np.random.default_rng(0)
    for _ in range(60):
        broken = bytearray(whole[: int(rng.integers(1, len(whole) + 1))])
        for place in rng.integers(0, min(len(broken), 200), 4):
            broken[place] = int(rng.integers(256))
        path = tmp_path / "a"
        path.write_bytes(broken)
        facts = look(Member("a", path), "1-1")
        assert facts.fault or facts.width > 0


# --- shards -----------------------------------------------------------------------------------------------------------


def pack(folder: Path, out: Path, shards: int, notes: bool = True) -> str:
    """The set as WebDataset shards, written by tarfile; the order is not the manifest's."""
    lines = list(csv.DictReader((folder / "manifest.csv").open(newline="")))[::-1]
    out.mkdir()
    for i in range(shards):
        with tarfile.open(out / f"s-{i:03d}.tar", "w") as tar:
            for line in lines[i::shards]:
                tar.add(folder / line["file"], line["file"])
                note = json.dumps(line).encode()
                info = tarfile.TarInfo(line["file"].replace(".png", ".json"))
                info.size = len(note)
                if notes:
                    tar.addfile(info, io.BytesIO(note))
    return (out / f"s-{{000..{shards - 1:03d}}}.tar").as_posix()


def test_shards_give_the_batches_of_the_folder(art, tmp_path):
    pytest.importorskip("webdataset")
    folder, shards = PictureSet(art, 1.0), PictureSet(pack(art, tmp_path / "a", 3), 1.0)
    assert [row.file for row in shards.train] == [row.file for row in folder.train]
    assert shards.licences == folder.licences
    for step in (4, 0):
        assert same(batch(shards, SMALL, 2, 1, step), batch(folder, SMALL, 2, 1, step))
    assert PictureSet(pack(art, tmp_path / "b", 1), 1.0).sha256 == shards.sha256  # however they are cut
    assert len(PictureSet(str(tmp_path / "a" / "*.tar"), 1.0).train) == 4


def test_shards_without_notes_give_the_batches_of_a_plain_folder(own, tmp_path):
    shards = PictureSet(pack(own, tmp_path / "a", 1, notes=False).replace("{000..000}", "000"), 1.0)
    (own / "manifest.csv").unlink()
    plain = PictureSet(own, 1.0)
    assert (plain.train, plain.val, plain.sha256) == (shards.train, shards.val, shards.sha256)
    assert same(batch(shards, SMALL, 2, 1, 0), batch(plain, SMALL, 2, 1, 0))


def test_shards_are_indexed_once_and_again_when_they_change(art, tmp_path, monkeypatch):
    pattern = pack(art, tmp_path / "a", 1).replace("{000..000}", "000")
    PictureSet(pattern, 1.0)
    from senga.training import survey

    listed: list[Path] = []
    real = survey.list_shard
    monkeypatch.setattr(survey, "list_shard", lambda path: listed.append(path) or real(path))
    assert len(PictureSet(pattern, 1.0).train) == 4
    assert listed == []
    with tarfile.open(pattern, "a") as tar:
        tar.add(art / "train0.png", "more.png")
    assert len(PictureSet(pattern, 1.0).train) + len(PictureSet(pattern, 1.0).val) == 8
    assert listed == [Path(pattern)]


def test_bad_shards_are_named_and_bad_pictures_in_them_skipped(art, tmp_path, caplog):
    pattern = pack(art, tmp_path / "a", 1).replace("{000..000}", "000")
    whole = Path(pattern).read_bytes()
    Path(pattern).write_bytes(whole[: len(whole) * 2 // 3])
    pictures = PictureSet(pattern, 1.0)
    assert len(pictures.rejected) <= 1  # the one that was cut through
    assert 3 <= len(pictures.train) + len(pictures.val) < 7
    (tmp_path / "none.tar").write_bytes(b"no tar at all" * 100)
    with pytest.raises(SengaError, match=r"none\.tar: is no tar file"):
        PictureSet(tmp_path / "none.tar", 1.0)


def test_a_name_that_two_shards_have_is_told_apart(art, tmp_path):
    for name in ("a", "b"):
        with tarfile.open(tmp_path / f"{name}.tar", "w") as tar:
            tar.add(art / f"train{int(name == 'b')}.png", "same.png")
    pictures = PictureSet(str(tmp_path / "*.tar"), 1.0)
    (one,), (other,) = pictures.train, pictures.val
    assert {one.file, other.file} == {"same.png", "b.tar/same.png"}
    assert not np.array_equal(pictures.pixels(one), pictures.pixels(other))


# --- validation -------------------------------------------------------------------------------------------------------


def test_validation_takes_the_same_crops_every_time(art):
    first, second = validation_pairs(PictureSet(art, 1.0), 2), validation_pairs(PictureSet(art, 1.0), 2)
    assert len(first) == 3
    for (_, lr, hr), (_, lr2, hr2) in zip(first, second, strict=True):
        assert np.array_equal(lr, lr2)
        assert np.array_equal(hr, hr2)
        assert hr.shape == (192, 192, 3)
        bicubic = Image.fromarray(hr).resize((96, 96), Image.Resampling.BICUBIC)
        assert np.array_equal(lr, np.asarray(bicubic))
    assert len(validation_pairs(PictureSet(art, 1.0), 2, crops=2)) == 2


def test_validation_knows_fixed_damages_from_mild_to_strong(art):
    pictures = PictureSet(art, 1.0)
    clean = [lr.astype(float) for _, lr, _ in validation_pairs(pictures, 2)]
    errors = []
    for name in ("q95", "q75", "twice", "q50"):
        pairs = validation_pairs(pictures, 2, degradation=name)
        again = validation_pairs(pictures, 2, crops=1, degradation=name)
        assert np.array_equal(pairs[0][1], again[0][1])  # whatever else is validated on
        errors.append(np.mean([np.abs(lr - c).mean() for (_, lr, _), c in zip(pairs, clean, strict=True)]))
    assert errors == sorted(errors)
    assert errors[0] > 0.2
    assert validation_pairs(pictures, 1)[0][1].shape == (192, 192, 3)
    with pytest.raises(SengaError, match="preset 'q74' is unknown"):
        validation_pairs(pictures, 2, degradation="q74")


def test_the_crop_with_most_content_is_validated_on():
    picture = np.full((400, 400, 3), 255, np.uint8)
    picture[192:384, [*range(192, 240), *range(336, 384)]] = 0
    crop = data._fullest(picture)
    assert content(crop) == pytest.approx(127.5)
    assert np.array_equal(crop, picture[192:384, 192:384])
