"""Which crops a run is validated on, and how the domains count."""

import numpy as np
import pytest
from PIL import Image
from sample_picture_sets import drawing
from senga.arch import SengaError
from senga.training.sr.pictures.picture_set import PictureSet
from senga.training.sr.settings import ValSettings
from senga.training.sr.validation.scores import lr_text
from senga.training.sr.validation.validation_crops import (
    CROPS,
    DOMAINS,
    Crop,
    Pair,
    by_domain,
    count_text,
    cut_domain,
    digest_of,
    fullest,
    make_pairs,
    mean_of_domains,
    some,
    validation_crops,
)

NONE = ValSettings()


def test_the_crops_and_their_lr_are_the_same_every_time(art):
    first, second = (make_pairs(validation_crops(PictureSet(art, 1.0), NONE, 2), 2, "clean") for _ in range(2))
    assert len(first) == 3
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one.lr, other.lr)
        assert np.array_equal(one.hr, other.hr)
        assert one.hr.shape == (192, 192, 3)
        bicubic = Image.fromarray(one.hr).resize((96, 96), Image.Resampling.BICUBIC)
        assert np.array_equal(one.lr, np.asarray(bicubic))


def test_fixed_damages_go_from_mild_to_strong(art):
    crops = validation_crops(PictureSet(art, 1.0), NONE, 2)
    clean = [pair.lr.astype(float) for pair in make_pairs(crops, 2, "clean")]
    errors = []
    for name in ("q95", "q75", "q50", "twice"):
        pairs = make_pairs(crops, 2, name)
        assert np.array_equal(pairs[0].lr, make_pairs(crops[:1], 2, name)[0].lr)  # whatever else is validated on
        errors.append(np.mean([np.abs(pair.lr - c).mean() for pair, c in zip(pairs, clean, strict=True)]))
    assert errors == sorted(errors)
    assert errors[0] > 0.2
    assert make_pairs(crops, 1, "clean")[0].lr.shape == (192, 192, 3)
    with pytest.raises(SengaError, match=r"run\.conditions is 'q74'; did you mean 'q75'"):
        make_pairs(crops, 2, "q74")


def test_the_fullest_squares_come_first_and_never_overlap():
    picture = np.full((400, 600, 3), 255, np.uint8)
    picture[192:384, [*range(192, 240), *range(336, 384)]] = 0
    picture[0:60, 420:600] = 128
    first, *rest = fullest(picture, 9)
    assert np.array_equal(first, picture[192:384, 192:384])
    assert rest, "a second square has content too"
    assert all(crop.std() > 3 for crop in rest), "an empty square is worth no score"
    assert len(fullest(np.zeros((192, 192, 3), np.uint8), 4)) == 1, "the first counts whatever is in it"


def test_few_large_pictures_give_several_crops_each_and_many_give_one():
    large = np.random.default_rng(0).integers(0, 256, (1000, 1000, 3), dtype=np.uint8)
    crops = cut_domain("anime", [("a", lambda: large), ("b", lambda: large)])
    assert len(crops) == CROPS
    assert {crop.name.partition("#")[0] for crop in crops} == {"a", "b"}
    assert len(cut_domain("vector", [(str(i), lambda: large) for i in range(30)])) == 30


def test_a_domain_with_few_crops_is_reported(caplog):
    cut_domain("anime", [("a", lambda: np.zeros((192, 192, 3), np.uint8))])
    assert "domain anime: 1 validation crops say little" in caplog.text


def test_folders_and_drawn_pictures_are_domains_of_their_own(art, tmp_path):
    drawing(400, 1).save(tmp_path / "sprite.png")
    (tmp_path / "broken.png").write_bytes(b"nothing")
    crops = validation_crops(PictureSet(art, 1.0), ValSettings(sets={"anime": tmp_path.as_posix()}), 2)
    assert {crop.domain for crop in crops} == {"a", "b", "anime"}
    assert sum(crop.domain == "anime" for crop in crops) == 4


def test_a_folder_without_pictures_is_named(art, tmp_path):
    with pytest.raises(SengaError, match=r"val\.sets\.anime: .* has no picture of 48 pixels a side"):
        validation_crops(PictureSet(art, 1.0), ValSettings(sets={"anime": tmp_path.as_posix()}), 2)


def test_patterns_are_reduced_by_box_so_that_they_arrive():
    stripes = np.zeros((192, 192, 3), np.uint8)
    stripes[:, np.arange(192) // 2 % 2 == 1] = 255
    pattern, other = make_pairs([Crop("p", "patterns", stripes), Crop("v", "vector", stripes)], 2, "clean")
    assert set(np.unique(pattern.lr)) == {0, 255}
    assert other.lr.max() < 255


def test_every_domain_counts_alike():
    picture = np.zeros((192, 192, 3), np.uint8)
    pairs = [Pair(Crop(str(i), domain, picture), picture) for i, domain in enumerate(["vector"] * 3 + ["anime"])]
    values = [30.0, 30.0, 30.0, 40.0]
    assert by_domain(values, pairs) == {"vector": 30.0, "anime": 40.0}
    assert mean_of_domains(values, pairs) == 35.0


def test_some_crops_are_as_many_of_each_domain_as_can_be():
    picture = np.zeros((192, 192, 3), np.uint8)
    crops = [Crop(f"v{i}", "vector", picture) for i in range(100)] + [Crop("s", "anime", picture)]
    chosen = some(crops, 10)
    assert [crop.domain for crop in chosen] == ["vector"] * 5 + ["anime"]
    assert [crop.name for crop in chosen[:5]] == ["v0", "v20", "v40", "v60", "v80"]
    assert some(crops, 0) == crops
    assert count_text(chosen) == "5 vector, 1 anime"


def test_the_sources_of_the_shipped_set_have_domains():
    assert {"openclipart", "dicebear", "renpy_demo", "art_pack", "wesnoth"} == set(DOMAINS)


@pytest.mark.parametrize(
    ("condition", "domains", "text"),
    [
        ("clean", {"anime", "patterns"}, "LR by Pillow's bicubic (patterns: box), clean"),
        ("q75", {"anime"}, "LR by Pillow's bicubic, q75"),
        ("senga_blind", {"own"}, "LR by senga_blind"),
        ("mine.json", {"patterns"}, "LR by mine.json (patterns: box)"),
        ("twice", {"own", "pairs"}, "LR by Pillow's bicubic, twice; pairs: as given"),
    ],
)
def test_the_header_says_how_the_lr_pictures_came_about(condition, domains, text):
    assert lr_text(condition, domains) == text


def test_scores_of_other_pixels_have_another_digest(art):
    crops = validation_crops(PictureSet(art, 1.0), ValSettings(), 2)
    clean, damaged, again = (make_pairs(crops, 2, name) for name in ("clean", "q50", "clean"))
    assert digest_of(clean) == digest_of(again)
    assert len({digest_of(clean), digest_of(damaged), digest_of(clean[:-1])}) == 3
