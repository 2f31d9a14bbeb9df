"""`tag`: pictures in, one Tagged for each out, whatever else is in the batch; progress and stopping between passes."""

import pytest
import torch
from sample_taggers import VOCABULARY, known_tagger, scenes, small_tagger
from senga.arch import Options, SengaError, Stopped, Tagged, tag
from senga.arch.image import to_bchw, to_bhwc
from senga.arch.tags import choose

OPTIONS = Options(general_threshold=0.3, character_threshold=0.3)


def pictures(count: int, height: int = 40, width: int = 60, channels: int = 3) -> torch.Tensor:
    """(count, height, width, channels) in [0, 1]."""
    torch.manual_seed(5)
    return to_bhwc(scenes(count, height, width, channels))


def same(one: Tagged, other: Tagged) -> bool:
    names, scores = zip(*one.chosen, strict=True)
    other_names, other_scores = zip(*other.chosen, strict=True)
    texts = (one.tags, one.characters, one.rating) == (other.tags, other.characters, other.rating)
    return texts and names == other_names and scores == pytest.approx(other_scores, abs=1e-5)


def test_a_picture_is_tagged_as_it_is_alone():
    model, image = small_tagger(), pictures(3)
    together = tag(model, image, OPTIONS)
    assert len({found.tags for found in together}) == 3  # the pictures differ
    for i, found in enumerate(together):
        assert same(found, tag(model, image[i : i + 1], OPTIONS)[0])


def test_it_is_the_choice_from_what_calling_the_model_gives():
    model, image = small_tagger(), pictures(2)
    model.file_sha256 = "abc"
    rows = model(to_bchw(image)).tolist()
    assert tag(model, image, OPTIONS) == [choose(row, VOCABULARY, OPTIONS, model_sha256="abc") for row in rows]
    assert tag(model, image) == [choose(row, VOCABULARY, Options(), model_sha256="abc") for row in rows]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_grey_colour_and_transparent_pictures_of_any_size(channels):
    image = torch.rand(2, 1, 5, channels)
    assert [found.tags for found in tag(known_tagger([0.9] + [0.1] * 8), image, OPTIONS)] == ["1girl", "1girl"]


def test_pictures_prepared_one_by_one_share_a_pass_whatever_their_sizes(monkeypatch):
    model, sizes = small_tagger(), []
    images = [pictures(1, *size) for size in ((40, 60), (90, 20), (64, 64))]
    alone = [tag(model, image, OPTIONS)[0] for image in images]
    monkeypatch.setattr("senga.arch.tagger.CHUNK", {"cpu": 4})
    model.model.register_forward_pre_hook(lambda net, args: sizes.append(len(args[0])))
    rows = model.predict(torch.cat([model.prepare(to_bchw(image)) for image in images])).tolist()
    found = [choose(row, VOCABULARY, OPTIONS, model_sha256="") for row in rows]
    assert all(map(same, found, alone))
    assert sizes == [4]


def test_only_one_group_is_prepared_at_a_time_and_progress_follows(monkeypatch):
    model, events = small_tagger(), []
    real = model.prepare
    monkeypatch.setattr("senga.arch.tagger.CHUNK", {"cpu": 4})
    monkeypatch.setattr(model, "prepare", lambda x: (events.append(f"prepare {len(x)}"), real(x))[1])
    model.model.register_forward_pre_hook(lambda net, args: events.append(f"pass of {len(args[0])}"))
    found = tag(model, pictures(6), OPTIONS, progress=lambda done, total: events.append(f"{done}/{total}"))
    assert len(found) == 6
    assert events == ["prepare 4", "pass of 4", "4/6", "prepare 2", "pass of 4", "6/6"]


def test_it_stops_between_two_passes():
    asked = iter([False, False, True])
    seen = []
    with pytest.raises(Stopped, match="stopped after 2 of 3 pictures"):
        tag(
            small_tagger(),
            pictures(3),
            OPTIONS,
            progress=lambda done, total: seen.append((done, total)),
            should_stop=lambda: next(asked),
        )
    assert seen == [(1, 3), (2, 3)]


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (torch.rand(40, 60, 3), r"shape \(40, 60, 3\); expected \(frames, height, width, 1, 3 or 4 channels\)"),
        (torch.rand(1, 3, 40, 60), r"shape \(1, 3, 40, 60\)"),
        (torch.rand(0, 40, 60, 3), r"shape \(0, 40, 60, 3\)"),
        (torch.zeros(1, 40, 60, 3, dtype=torch.uint8), r"torch\.uint8; expected torch\.float32"),
    ],
)
def test_another_shape_or_type_is_refused(image, words):
    with pytest.raises(SengaError, match=words):
        tag(small_tagger(), image, OPTIONS)


def test_thresholds_that_the_tagger_lacks_are_refused():
    with pytest.raises(SengaError, match="no thresholds of its own; use fixed or mcut"):
        tag(small_tagger(), pictures(1), Options(threshold_mode="per_tag"))
