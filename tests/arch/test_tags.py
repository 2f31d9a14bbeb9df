"""Which tags are chosen from probabilities, and how they are written."""

import dataclasses
import json

import pytest
from senga.arch import SengaError
from senga.arch.tags import NOT_TRAINED, Options, choose, matcher, mcut, warnings, written
from senga.arch.vocabulary import TagVocabulary

SCORES = {
    "solo": 0.9,
    "1girl": 0.8,
    "long_hair": 0.5,
    "^_^": 0.4,
    "cat_(animal)": 0.36,
    "1boy": 0.3,
    "hatsune_miku": 0.95,
    "saber_(fate)": 0.7,
    "rin": 0.1,
    "safe": 0.2,
    "explicit": 0.1,
}
CATEGORIES = ("general",) * 6 + ("character",) * 3 + ("rating",) * 2
VOCABULARY = TagVocabulary(tuple(SCORES), CATEGORIES)


def tagged(vocabulary=VOCABULARY, **options):
    return choose(list(SCORES.values()), vocabulary, Options(**options), model_sha256="abc")


def test_each_category_has_its_own_threshold():
    found = tagged()
    assert found.tags == "hatsune miku, solo, 1girl, long hair, ^_^, cat \\(animal\\)"
    assert (found.characters, found.rating) == ("hatsune miku", "safe")
    assert found.chosen[:2] == (("hatsune_miku", 0.95), ("solo", 0.9))
    assert tagged(general_threshold=0.85, character_threshold=0.7).tags == "hatsune miku, solo, saber \\(fate\\)"
    assert tagged(general_threshold=1.0, character_threshold=1.0).tags == ""


def test_a_score_at_the_threshold_is_in():
    assert "long hair" in tagged(general_threshold=0.5).tags


def test_mcut_cuts_each_category_at_its_largest_gap():
    found = tagged(threshold_mode="mcut")
    assert found.tags == "hatsune miku, solo, 1girl, saber \\(fate\\)"
    assert json.loads(found.scores)["thresholds"] == {"general": 0.65, "character": 0.4}
    nobody = choose([0.5] * 6 + [0.14, 0.01, 0.01, 0.2, 0.1], VOCABULARY, Options(threshold_mode="mcut"))
    assert nobody.characters == ""  # the floor
    assert json.loads(nobody.scores)["thresholds"]["character"] == 0.15


@pytest.mark.parametrize(
    ("scores", "cut"),
    [([0.9, 0.8, 0.1], 0.45), ([0.9, 0.3, 0.05], 0.6), ([0.1, 0.9], 0.5), ([0.4], 0.4), ([0.4, 0.4], 0.4), ([], 0.0)],
)
def test_where_mcut_cuts(scores, cut):
    assert mcut(scores) == pytest.approx(cut)


def test_thresholds_of_the_model():
    own = [0.95, 0.1, 0.6, 0.4, 0.5, 0.3, 0.96, 0.5, 0.5, 0.0, 0.0]
    found = tagged(dataclasses.replace(VOCABULARY, thresholds=own), threshold_mode="per_tag")
    assert found.tags == "1girl, saber \\(fate\\), ^_^, 1boy"
    assert json.loads(found.scores)["thresholds"] == {"general": "per tag", "character": "per tag"}
    with pytest.raises(SengaError, match="has no thresholds of its own; use fixed or mcut"):
        tagged(threshold_mode="per_tag")


def test_max_tags_keeps_the_likeliest_whatever_the_order():
    assert tagged(max_tags=3).tags == "hatsune miku, solo, 1girl"
    assert tagged(max_tags=3, sort="alphabetical").tags == "1girl, hatsune miku, solo"
    assert tagged(max_tags=99).tags == tagged().tags
    assert tagged(max_tags=3).characters == "hatsune miku"


def test_people_come_first_then_characters():
    assert tagged(sort="people first", general_threshold=0.3).tags == (
        "1girl, 1boy, solo, hatsune miku, long hair, ^_^, cat \\(animal\\)"
    )


def test_the_rating_is_the_likeliest_and_never_thresholded():
    assert tagged(include_rating=True, general_threshold=1.0, character_threshold=1.0).tags == "safe"
    assert tagged(include_rating=True, sort="alphabetical").tags.endswith(", solo, safe")
    assert tagged(include_rating=True, exclude_tags="safe").tags == tagged().tags
    assert "safe" not in tagged(general_threshold=0.0).tags


def test_an_untrained_category_says_so():
    found = tagged(dataclasses.replace(VOCABULARY, untrained=("rating", "character")), include_rating=True)
    assert found.tags == "solo, 1girl, long hair, ^_^, cat \\(animal\\)"
    assert (found.rating, found.characters) == (NOT_TRAINED, NOT_TRAINED)
    scores = json.loads(found.scores)
    assert (scores["rating"], scores["character"]) == (NOT_TRAINED, NOT_TRAINED)
    assert scores["thresholds"] == {"general": 0.35}
    plain = choose([0.5], TagVocabulary(("a",), ("general",)), Options())
    assert (plain.tags, plain.rating, plain.characters) == ("a", NOT_TRAINED, NOT_TRAINED)


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("solo", "hatsune miku, 1girl, long hair, ^_^, cat \\(animal\\)"),
        ("SOLO, Long Hair,", "hatsune miku, 1girl, ^_^, cat \\(animal\\)"),
        ("long_hair\n1girl", "hatsune miku, solo, ^_^, cat \\(animal\\)"),
        ("cat (animal), ^_^", "hatsune miku, solo, 1girl, long hair"),
        (r"cat \(animal\)", "hatsune miku, solo, 1girl, long hair, ^_^"),
        ("*hair, hatsune *", "solo, 1girl, ^_^, cat \\(animal\\)"),
        ("*", ""),
        ("?olo, [s]olo, long", tagged().tags),  # only * means anything
        (" , ", tagged().tags),
    ],
)
def test_excluded_tags_are_found_however_they_are_written(text, tags):
    assert tagged(exclude_tags=text).tags == tags


def test_only_tags_leaves_nothing_else():
    assert tagged(only_tags="*girl*, Long Hair, safe").tags == "1girl, long hair"
    assert tagged(only_tags="*girl*, long hair", exclude_tags="long hair").tags == "1girl"
    assert tagged(only_tags="1girl").characters == ""
    assert tagged(only_tags="1girl, safe", include_rating=True).tags == "1girl, safe"
    assert tagged(only_tags=" ,\n").tags == tagged().tags


def test_what_the_tagger_does_not_know_is_reported():
    assert warnings(Options(only_tags="*girl*, Long Hair, 1gril,cake*", include_rating=True), VOCABULARY) == [
        "only_tags: this tagger knows no tag that matches 1gril, cake*"
    ]
    untaught = TagVocabulary(tuple(SCORES), CATEGORIES, untrained=("rating",))
    assert warnings(Options(include_rating=True), untaught) == [
        "include_rating: this tagger was not trained on ratings; none is added"
    ]
    assert warnings(Options(exclude_tags="whatever another tagger says"), untaught) == []


def test_a_pattern_takes_the_whole_name():
    assert matcher("*_hair")("long_hair")
    assert not matcher("hair")("long_hair")
    assert not matcher("a*b")("abc")
    assert matcher("a*c*")("a_b_c_d")


@pytest.mark.parametrize(
    "face", ["^_^", ">_<", "o_o", "0_0", ">_o", "+_-", "(o)_(o)", "<|>_<|>", "||_||", "._.", "3_3"]
)
def test_faces_keep_their_underscore(face):
    assert written(face, 0.5, Options(escape_parentheses=False)) == face


@pytest.mark.parametrize("name", ["long_hair", "a_cat", "k-on!_x_y", "x-ray_b", "no_humans", "^_^_face"])
def test_other_names_do_not(name):
    assert written(name, 0.5, Options()) == name.replace("_", " ")


def test_how_a_tag_is_written():
    plain = Options(replace_underscore=False, escape_parentheses=False)
    assert written("cat_(animal)", 0.5, plain) == "cat_(animal)"
    assert written("cat_(animal)", 0.856, Options(with_scores=True)) == "(cat \\(animal\\):0.86)"
    assert tagged(separator=" | ", prefix="best, ", suffix=".", max_tags=2).tags == "best, hatsune miku | solo."


def test_scores_hold_every_category_the_thresholds_and_the_model():
    scores = json.loads(tagged().scores)
    assert scores["model_sha256"] == "abc"
    assert (scores["threshold_mode"], scores["thresholds"]) == ("fixed", {"general": 0.35, "character": 0.85})
    assert list(scores["general"]) == ["solo", "1girl", "long_hair", "^_^", "cat_(animal)", "1boy"]
    assert scores["character"] == {"hatsune_miku": 0.95, "saber_(fate)": 0.7, "rin": 0.1}
    assert scores["rating"] == {"safe": 0.2, "explicit": 0.1}
    assert json.loads(tagged(general_threshold=0.12344).scores)["thresholds"]["general"] == 0.1234
    japanese = choose([0.5], TagVocabulary(("初音ミク",), ("general",)), Options())
    assert '"初音ミク": 0.5' in japanese.scores  # as it is, without escapes


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"general_threshold": 1.5}, "general_threshold is 1.5"),
        ({"general_threshold": -0.5}, "general_threshold is -0.5"),
        ({"character_threshold": float("nan")}, "character_threshold is nan"),
        ({"max_tags": -1}, "max_tags is -1"),
        ({"threshold_mode": "auto"}, "threshold_mode is 'auto'; expected one of fixed, mcut, per_tag"),
        ({"sort": "size"}, "sort is 'size'"),
    ],
)
def test_impossible_options_are_refused(options, words):
    with pytest.raises(SengaError, match=words):
        Options(**options)


def test_another_number_of_probabilities_is_refused():
    with pytest.raises(SengaError, match="1 probabilities for 11 tags"):
        choose([0.5], VOCABULARY, Options())
