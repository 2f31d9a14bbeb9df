"""What the tagger is shown, batch by batch, and the loss and the net that it is shown to."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from sample_tag_sets import table
from senga.arch import SengaError
from senga.arch.preprocessing import Preprocessing
from senga.training.tagger.batches import TagPictures, batch, batches, mirrored, recolour, sample, window
from senga.training.tagger.index import build_index
from senga.training.tagger.losses import LOSSES
from senga.training.tagger.model import depthwise_in_float32, predict, start_from_counts
from senga.training.tagger.settings import AugmentSettings, DataSettings

EVERYTHING = AugmentSettings(rotate=8.0, jpeg=0.5, cutout=0.5, mixup=0.2, crop=[0.7, 1.2])
PLAIN = AugmentSettings(crop=[1.0, 1.0], stretch=0.0, flip=0.0, colour=0.0, filters={"bicubic": 1.0})


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return table(tmp_path_factory.mktemp("tagged") / "set", 60)


def pictures(
    made: Path, tmp_path: Path, augment: AugmentSettings = EVERYTHING, cache_gib: float = 0.0, **data: object
) -> TagPictures:
    settings = DataSettings("table", made.as_posix(), batch=6, store=48, cache_gib=cache_gib, **data)  # type: ignore[arg-type]
    return TagPictures(build_index(settings, tmp_path / "scratch"), settings, augment, Preprocessing(48))


def test_a_batch_depends_on_seed_and_step_alone(made, tmp_path):
    first, second = pictures(made, tmp_path), pictures(made, tmp_path, cache_gib=1.0)
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(4) as four:
        batch(second, four, 1, 7)
        for step in (0, 1, 9):
            for a, b in zip(batch(first, one, 1, step), batch(second, four, 1, step), strict=True):
                assert torch.equal(a, b)
        x, labels, known = batch(first, one, 1, 0)
        assert x.shape == (6, 3, 48, 48)
        assert x.is_contiguous(memory_format=torch.channels_last)
        assert labels.shape == known.shape == (6, len(first.index.names))
        assert not torch.equal(x, batch(first, one, 2, 0)[0])


def test_the_stream_can_begin_anywhere(made, tmp_path):
    stream = list(batches(pictures(made, tmp_path), 3, range(5), 0, 1))
    late = list(batches(pictures(made, tmp_path), 3, range(3, 5), 0, 1))
    assert len(stream) == 5
    for a, b in zip(stream[3:], late, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_processes_share_a_step_without_overlap(made, tmp_path):
    """What two processes see in a step is what one would see alone."""
    few = pictures(made, tmp_path, replace(EVERYTHING, mixup=0.0))
    with ThreadPoolExecutor(2) as pool:
        halves = [batch(few, pool, 1, 2, rank, 2) for rank in (0, 1)]
        whole = batch(few, pool, 1, 2)
        with pytest.raises(SengaError, match=r"data\.batch is 6; expected a multiple of the 4 processes"):
            batch(few, pool, 1, 2, 0, 4)
    for part in range(3):
        assert torch.equal(torch.cat([half[part] for half in halves]), whole[part])


def test_an_epoch_shows_every_picture_and_rare_ones_more_often(made, tmp_path):
    plain = pictures(made, tmp_path)
    assert sorted(plain.order(1, 0)) == sorted(plain.train)
    assert not np.array_equal(plain.order(1, 0), plain.order(1, 1))
    favoured = pictures(made, tmp_path, rare=0.6)
    bearing, known = favoured.index.counts()
    share = bearing / np.maximum(known, 1)
    drawn = np.concatenate([favoured.order(1, epoch) for epoch in range(200)])
    for number, factor in zip(favoured.train, favoured.repeats, strict=True):
        labels, _ = favoured.index.truth(int(number))
        assert factor == pytest.approx(max(1.0, *np.sqrt(0.6 / share[labels])))
        assert (drawn == number).sum() / 200 == pytest.approx(factor, abs=0.15)
    assert favoured.repeats.max() > 1.5


def test_without_augmentation_training_sees_what_users_will_give(made, tmp_path):
    plain = pictures(made, tmp_path, PLAIN)
    plain.data = replace(plain.data, store=200)
    pixels, labels, _ = sample(plain, 1, 0, 0)
    number = plain.drawn(1, 0)
    x = (torch.from_numpy(pixels).float() / 255 - 0.5) / 0.5
    whole = plain.whole(number)
    # The window lies at random within a square around the picture, the user's picture in its middle.
    assert x.mean() == pytest.approx(float(whole.mean()), abs=0.05)
    assert labels.tolist() == plain.index.truth(number)[0].tolist()


def test_a_window_larger_than_the_picture_is_surrounded_by_the_pad_colour():
    image = Image.new("RGB", (40, 20), (200, 0, 0))
    augment = replace(PLAIN, crop=[2.0, 2.0], filters={"box": 1.0})
    pixels = np.asarray(window(image, augment, 80, (0, 0, 255), np.random.default_rng(0)))
    red = (pixels == (200, 0, 0)).all(-1)
    blue = (pixels == (0, 0, 255)).all(-1)
    assert red.sum() == pytest.approx(40 * 20, abs=130)
    assert red.sum() + blue.sum() > 80 * 80 - 250  # the rest is the picture's edge


def test_colours_change_by_no_more_than_was_asked():
    grey = Image.new("RGB", (4, 4), (128, 128, 128))
    levels = [np.asarray(recolour(grey, 0.1, np.random.default_rng(seed)))[0, 0] for seed in range(200)]
    assert np.ptp(levels, axis=1).max() <= 1  # grey stays grey
    assert 100 < np.min(levels) < 122
    assert 134 < np.max(levels) < 160


def test_left_and_right_change_places_in_a_mirrored_picture(made, tmp_path):
    mirror, one_sided = mirrored(("on_left", "bright", "on_right", "left-handed", "upright"))
    assert mirror.tolist() == [2, 1, 0, 3, 4]
    assert one_sided.tolist() == [False, False, False, True, False]
    flipping = pictures(made, tmp_path, replace(PLAIN, flip=1.0))
    names = flipping.index.names
    left, right = names.index("on_left"), names.index("on_right")
    seen = 0
    for i in range(20):
        pixels, labels, _ = sample(flipping, 1, 0, i)
        shape = np.abs(pixels.astype(int) - 245).sum(-1).sum(0)
        middle = (shape * np.arange(48)).sum() / shape.sum()
        if labels[left] or labels[right]:
            seen += 1
            assert labels[right] == (middle > 24), f"{middle} {labels[left]} {labels[right]}"
    assert seen > 8


def test_a_picture_that_says_left_alone_is_not_mirrored(made, tmp_path):
    still = pictures(made, tmp_path, replace(PLAIN, flip=1.0))
    still.mirror, still.one_sided = mirrored(tuple(n.replace("on_right", "elsewhere") for n in still.index.names))
    plain = pictures(made, tmp_path, PLAIN)
    left = plain.index.names.index("on_left")
    for i in range(20):
        (a, labels, _), (b, _, _) = sample(still, 1, 0, i), sample(plain, 1, 0, i)
        assert np.array_equal(a, b) == bool(labels[left]) or np.array_equal(b, b[:, ::-1])


def test_mixed_pictures_have_mixed_labels_and_are_known_where_both_are(made, tmp_path):
    mixed, plain = (pictures(made, tmp_path, replace(PLAIN, mixup=m)) for m in (0.4, 0.0))
    with ThreadPoolExecutor(2) as pool:
        (x, y, known), (a, b, told) = batch(mixed, pool, 1, 0), batch(plain, pool, 1, 0)
    between = (y > 0) & (y < 1)
    assert between.any()
    share = (x - a.roll(1, 0)).flatten(1).norm(dim=1) / (a - a.roll(1, 0)).flatten(1).norm(dim=1)
    assert torch.allclose(y, share[:, None] * b + (1 - share[:, None]) * b.roll(1, 0), atol=1e-4)
    assert torch.equal(known, told * told.roll(1, 0))


def test_a_broken_picture_is_passed_over_and_named(made, tmp_path, caplog):
    shutil.copytree(made, tmp_path / "set")
    ours = pictures(tmp_path / "set", tmp_path)
    number = ours.drawn(1, 0)
    (tmp_path / "set" / str(ours.index.files[number])).write_bytes(b"")
    assert ours.readable(1, 0)[0] == ours.drawn(1, 6)
    assert f"{ours.index.files[number]}: left out, cannot be read" in caplog.text
    for path in (tmp_path / "set").glob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(SengaError, match="8 pictures in a row cannot be read"):
        ours.readable(1, 0)


def test_a_broken_picture_is_left_out_of_scores_and_named(made, tmp_path, caplog):
    shutil.copytree(made, tmp_path / "set")
    ours = pictures(tmp_path / "set", tmp_path)
    numbers = ours.index.where("val")
    first = tmp_path / "set" / str(ours.index.files[numbers[0]])
    first.write_bytes(first.read_bytes()[:40])
    passes = SimpleNamespace(one_pass=lambda x, precision: x.mean((1, 2, 3))[:, None])  # stands in for a model
    scored = predict(passes, ours, numbers, "fp32")  # type: ignore[arg-type]
    assert scored.numbers.tolist() == numbers[1:].tolist()
    assert len(scored.scores) == len(scored.truth) == len(numbers) - 1
    assert f"{ours.index.files[numbers[0]]}: left out, cannot be read" in caplog.text
    with pytest.raises(SengaError, match="none of 1 pictures held out can be read"):
        predict(passes, ours, numbers[:1], "fp32")  # type: ignore[arg-type]


def test_bce_is_summed_over_known_tags_and_averaged_over_the_batch():
    logits = torch.tensor([[0.3, -1.0, 2.0], [1.5, 0.0, -0.5]])
    labels = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.25, 1.0]])
    known = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    p = logits.sigmoid()
    each = -(labels * p.log() + (1 - labels) * (1 - p).log())
    assert LOSSES["bce"](logits, labels, known).item() == pytest.approx(((each * known).sum() / 2).item(), rel=1e-5)


def test_asl_forgives_easy_absent_tags():
    logits = torch.tensor([[-4.0, 2.0, 0.0]], requires_grad=True)
    loss = LOSSES["asl"](logits, torch.zeros(1, 3), torch.ones(1, 3))
    expected = sum(-((p - 0.05) ** 4) * np.log(1 - (p - 0.05)) for p in (1 / (1 + np.exp(-2.0)), 0.5))
    assert loss.item() == pytest.approx(expected, rel=1e-4)
    loss.backward()
    assert logits.grad is not None
    assert logits.grad[0, 0] == 0
    present = LOSSES["asl"](torch.tensor([[0.0]]), torch.ones(1, 1), torch.ones(1, 1))
    assert present.item() == pytest.approx(np.log(2))


def test_the_net_begins_by_saying_how_often_a_tag_is_seen():
    layer = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3))
    start_from_counts(layer, np.array([10, 90, 0]), np.array([100, 100, 0]))
    last = layer[-1]
    assert isinstance(last, torch.nn.Linear)
    assert last.bias.sigmoid().tolist() == pytest.approx([10.5 / 101, 90.5 / 101, 0.5], abs=1e-4)
    assert last.weight[2].abs().max() == 0


def test_depthwise_in_float32_changes_the_speed_and_not_the_net():
    from senga.arch.mobilenetv3 import MobileNetV3Config, MobileNetV3Small

    torch.manual_seed(0)
    net = MobileNetV3Small(MobileNetV3Config(tags=5, width=0.35)).eval()
    keys, x = list(net.state_dict()), torch.rand(2, 3, 48, 48)
    before = net(x)
    depthwise_in_float32(net)
    assert torch.equal(net(x), before)
    assert list(net.state_dict()) == keys
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.allclose(net(x).float(), before, atol=0.02)
