"""Training and validating on pictures that exist in both sizes, and on a user's own validation pictures."""

import csv
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sample_picture_sets import drawing, make_set
from sample_runs import checkpoint, equal, tiny_config
from senga.arch import SengaError
from senga.headless.cli import main
from senga.training.run.identity import differences, run_identity
from senga.training.run.settings import defaults_of, read_settings, to_dict
from senga.training.sr import train as sr
from senga.training.sr.pairs.pair_checks import shift_of
from senga.training.sr.pairs.pair_set import open_pictures
from senga.training.sr.patches import batch, batches
from senga.training.sr.pictures.picture_set import PictureSet
from senga.training.sr.settings import DataSettings, PairSettings, Settings, ValSettings
from senga.training.sr.validation.validation_crops import make_pairs, validation_crops
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

pytestmark = pytest.mark.usefixtures("quick_scores")


def picture(side: int, seed: int) -> Image.Image:
    white = Image.new("RGB", (side, side), (255, 255, 255))
    drawn = drawing(side, seed)
    white.paste(drawn, mask=drawn)
    return white


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> Path:
    """hr/0.png ... and lr/0.png ...: marked, so that made LR would differ."""
    folder = tmp_path_factory.mktemp("pairs")
    for name in ("lr", "hr"):
        (folder / name / "sub").mkdir(parents=True)
    for i in range(6):
        name = f"sub/{i}.png" if i % 2 else f"{i}.png"
        hr = picture(220, i)
        hr.save(folder / "hr" / name)
        hr.resize((110, 110), Image.Resampling.BOX).save(folder / "lr" / name)
    return folder


def data(pairs: Path, **more) -> DataSettings:
    pair = PairSettings(lr=(pairs / "lr").as_posix(), hr=(pairs / "hr").as_posix())
    return DataSettings(**{"folder": "nowhere", "pairs": [pair], "patch": 16, "batch": 4, **more})


def override(setting: str, pairs: Path) -> str:
    return f'{setting}=[{{lr = "{(pairs / "lr").as_posix()}", hr = "{(pairs / "hr").as_posix()}"}}]'


def test_a_batch_has_the_pictures_that_are_there_at_the_same_place(pairs):
    settings = data(pairs)
    lr, hr = batch(open_pictures(settings, 2), settings, 2, 1, 0)
    assert (lr.shape, hr.shape) == ((4, 3, 16, 16), (4, 3, 32, 32))
    means = hr.reshape(4, 3, 16, 2, 16, 2).mean((3, 5))
    assert float((lr - means).abs().max()) <= 1.1 / 255  # a box filter of the very same place, rounded twice
    assert float(hr.std()) > 0.1


def test_the_batches_are_the_same_in_another_process_and_from_any_step_on(pairs):
    settings = data(pairs)
    pictures = open_pictures(settings, 2)
    whole = list(batches(pictures, settings, 2, 1, range(3)))
    sent = pickle.loads(pickle.dumps(pictures.parted(2)))  # as a worker gets it
    for step in (1, 2):
        assert all((a == b).all() for a, b in zip(whole[step], batch(sent, settings, 2, 1, step), strict=True))


def test_pairs_are_mixed_with_made_pictures_by_their_share(pairs, tmp_path):
    art = make_set(tmp_path)
    settings = data(pairs, folder=art.as_posix(), pairs_share=0.5, batch=24)
    lr, hr = batch(open_pictures(settings, 2), settings, 2, 1, 0)
    means = hr.reshape(24, 3, 16, 2, 16, 2).mean((3, 5))
    given = ((lr - means).abs().amax((1, 2, 3)) <= 1.1 / 255).sum()  # the others are reduced by bicubic
    assert 6 <= int(given) <= 18


def test_without_pairs_batches_and_identities_stay_as_they_were(tmp_path):
    art = make_set(tmp_path)
    settings = DataSettings(folder=art.as_posix(), patch=16, batch=2)
    with_share = DataSettings(folder=art.as_posix(), patch=16, batch=2, pairs_share=0.5)
    plain = batch(PictureSet(art, 1.0), settings, 2, 1, 0)
    other = batch(open_pictures(with_share, 2), with_share, 2, 1, 0)
    assert all((a == b).all() for a, b in zip(plain, other, strict=True))
    assert open_pictures(settings, 2).sha256 == PictureSet(art, 1.0).sha256
    before = {name: value for name, value in to_dict(settings).items() if "pairs" not in name}
    then, now = (run_identity({"data": data}) for data in (before, to_dict(settings)))
    assert differences(then, now, defaults_of(Settings)) == ""


def test_a_run_on_pairs_in_parts_against_a_discriminator_that_was_cut_off_ends_with_the_same_bits(pairs, tmp_path):
    config = tiny_config(tmp_path, tmp_path)  # which has no pictures: data.folder is not needed
    others = ["optim.accumulate=2", "gan.weight=0.1", "gan.features=4"]
    changes = [override("data.pairs", pairs), *others]
    sr.train(read_settings(Settings, config, [*changes, "name=whole"]), "test")
    sr.train(read_settings(Settings, config, changes), "test")
    folder = tmp_path / "runs" / "tiny"
    (folder / "checkpoint-0000006.pt").unlink()
    moved = tmp_path / "moved"
    shutil.copytree(pairs, moved)  # where they are does not matter
    sr.train(read_settings(Settings, config, [override("data.pairs", moved), *others]), "test")
    one, two = (checkpoint(tmp_path / "runs" / name, 6) for name in ("whole", "tiny"))
    for part in ("net", "average", "optimiser_0", "discriminator", "discriminator_optimiser"):
        assert equal(one[part], two[part]), part
    assert not equal(one["net"], checkpoint(folder, 3)["net"])
    Image.new("RGB", (110, 110), (9, 200, 9)).rotate(5).save(moved / "lr" / "0.png")
    with pytest.raises(SengaError, match=r"belongs to another run \(pictures\)"):
        sr.train(read_settings(Settings, config, [override("data.pairs", moved), *others]), "test")


def test_what_degrade_wrote_trains_as_it_is(pairs, tmp_path, caplog):
    lr, hr = tmp_path / "lr", tmp_path / "hr"
    shutil.copytree(pairs / "hr", hr)
    for i in range(6):
        picture(301, i).save(hr / f"odd{i}.png")  # becomes 150 pixels
    assert main(["degrade", str(hr), "--recursive", "-o", f"{lr}/", "--preset", "senga_clean"]) == 0
    config = tiny_config(tmp_path, tmp_path)
    pair = f'data.pairs=[{{lr = "{lr.as_posix()}", hr = "{hr.as_posix()}"}}]'
    assert main(["train", "sr", str(config), "--set", pair]) == 0
    assert "shifted" not in caplog.text
    page = (tmp_path / "runs" / "tiny" / "report.md").read_text()
    assert f"data.pairs {lr.as_posix()} and {hr.as_posix()}: " in page
    assert " pairs crops, clean" in page


class TestChecks:
    def make(self, folder: Path, change) -> DataSettings:
        for name in ("lr", "hr"):
            (folder / name).mkdir()
        for i in range(4):
            hr = picture(220, i)
            lr, hr = change(i, hr)
            lr.save(folder / "lr" / f"{i}.png")
            hr.save(folder / "hr" / f"{i}.png")
        return data(folder)

    def test_another_scale_is_an_error(self, tmp_path):
        settings = self.make(tmp_path, lambda i, hr: (hr.resize((55, 55)), hr))
        with pytest.raises(
            SengaError, match=r"\d\.png has 55x55 pixels and \d\.png 220x220; expected 2 times the size"
        ):
            open_pictures(settings, 2)

    def test_some_pairs_of_another_scale_are_left_out(self, tmp_path, caplog):
        settings = self.make(tmp_path, lambda i, hr: (hr.resize((110, 110) if i else (73, 73)), hr))
        assert len(open_pictures(settings, 2).pairs[0].train) + len(open_pictures(settings, 2).pairs[0].val) == 3
        assert "1 pair left out: 0.png has 73x73 pixels" in caplog.text

    def test_a_folder_that_is_not_there_is_named_with_its_setting(self, tmp_path):
        settings = self.make(tmp_path, lambda i, hr: (hr.resize((110, 110)), hr))
        shutil.rmtree(tmp_path / "lr")
        with pytest.raises(SengaError, match=r"^data\.pairs: .*lr: there is no such folder; name a folder of pictures"):
            open_pictures(settings, 2)

    def test_names_that_do_not_match_are_named(self, tmp_path):
        settings = self.make(tmp_path, lambda i, hr: (hr.resize((110, 110)), hr))
        for path in (tmp_path / "lr").glob("*.png"):
            path.rename(path.with_name(f"x{path.name}"))
        with pytest.raises(SengaError, match=r"no picture of one has the name .*'x0\.png' and '0\.png'\)"):
            open_pictures(settings, 2)

    def test_pictures_without_a_partner_are_counted(self, tmp_path, caplog):
        settings = self.make(tmp_path, lambda i, hr: (hr.resize((110, 110)), hr))
        (tmp_path / "lr" / "0.png").unlink()
        open_pictures(settings, 2)
        assert "1 picture of " in caplog.text
        assert "hr left out, without partner" in caplog.text

    def test_a_shift_is_warned_of(self, tmp_path, caplog):
        settings = self.make(tmp_path, lambda i, hr: (hr.resize((110, 110), Image.Resampling.NEAREST), hr))
        open_pictures(settings, 2)
        assert "pairs looked at are shifted by more than 0.25 HR pixels" in caplog.text

    def test_good_pairs_are_not_warned_of(self, tmp_path, caplog):
        settings = self.make(tmp_path, lambda i, hr: (hr.resize((110, 110), Image.Resampling.BICUBIC), hr))
        open_pictures(settings, 2)
        assert "shifted" not in caplog.text
        assert "differs" not in caplog.text

    def test_other_colours_are_warned_of(self, tmp_path, caplog):
        def warmer(_: int, hr: Image.Image):
            small = np.asarray(hr.resize((110, 110), Image.Resampling.BOX)) * np.array([1.0, 1.0, 0.9])
            return Image.fromarray(small.astype(np.uint8)), hr

        open_pictures(self.make(tmp_path, warmer), 2)
        assert "LR differs from HR by " in caplog.text
        assert "levels of red, green and blue" in caplog.text


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.5, 0.0), (-0.25, 1.0), (3.0, -5.5)])
def test_a_shift_is_measured_in_fractions_of_a_pixel(shift):
    hr = picture(400, 3)
    right, down = 2 * shift[1], 2 * shift[0]
    moved = hr.transform(hr.size, Image.Transform.AFFINE, (1, 0, -right, 0, 1, -down), Image.Resampling.BICUBIC)
    lr = np.asarray(moved.resize((200, 200), Image.Resampling.BOX))
    assert shift_of(lr, np.asarray(hr)) == pytest.approx(shift, abs=0.07)


def test_flat_pictures_have_no_shift():
    flat = np.full((64, 64, 3), 90, np.uint8)
    assert shift_of(flat[:32, :32], flat) == (0.0, 0.0)


def test_pictures_smaller_than_a_crop_are_used_at_their_size(tmp_path):
    for i in range(4):
        picture(101 + 2 * i, i).save(tmp_path / f"{i}.png")
    crops = validation_crops(PictureSet(tmp_path, 1.0, 0.5), ValSettings(), 2)
    made = make_pairs(crops, 2, "clean")
    assert made
    for pair in made:
        height, width = pair.hr.shape[:2]
        assert 100 <= height == width <= 106
        assert height % 2 == 0
        assert pair.lr.shape == (height // 2, width // 2, 3)


def test_own_validation_pictures_are_upscaled_whole_saved_and_reported(pairs, tmp_path, caplog):
    art, own = tmp_path / "art", tmp_path / "own"
    art.mkdir()
    own.mkdir()
    picture(251, 8).save(own / "a page.png")
    (own / "broken.png").write_bytes(b"not a picture")
    config = tiny_config(tmp_path, make_set(art))
    changes = [f"val.folder={own.as_posix()}", override("val.pairs", pairs), "run.sheet_every=2", "optim.steps=2"]
    path = sr.train(read_settings(Settings, config, changes), "test")
    assert caplog.text.count("broken.png cannot be read") == 1  # each is looked at once
    with Image.open(path.parent / "validation" / "own" / "a page.png") as image:
        assert image.size == (250, 250)
    with Image.open(path.parent / "validation" / "pairs" / "sub" / "1.png") as image:
        assert image.size == (220, 220)
    row = list(csv.DictReader((path.parent / "curve.csv").open()))[-1]
    assert float(row["psnr_y_whole"]) > 10
    assert float(row["psnr_y_own"]) > 10
    assert float(row["psnr_y_pairs"]) > 10
    assert len(list(csv.DictReader((path.parent / "validation" / "scores.csv").open()))) == 7
    page = (path.parent / "report.md").read_text()
    assert "![own/a page.png](validation/own/a%20page.png)" in page
    assert "| pairs/sub/1.png |" in page
    assert "- validated on: 2 a, 1 b, 1 own, 6 pairs crops, clean" in page
    board = EventAccumulator(str(path.parent / "tensorboard")).Reload()
    shown = {"sheet", "validation/own/a page.png", "validation/pairs/sub/1.png"}
    assert shown <= set(board.Tags()["images"])
    assert {"psnr_y_whole", "psnr_y_own", "psnr_y_pairs"} <= set(board.Tags()["scalars"])
