"""Tags that exclude each other: groups by Danbooru's names or by the file, of which one tag wins."""

import dataclasses
import json

import pytest
from sample_taggers import VOCABULARY, small_tagger
from senga.arch import SengaError, TagVocabulary, read_header, save_model
from senga.arch.exclusive import counts_of_people, without_losers
from senga.arch.tags import Options, choose

NAMES = ("solo", "1girl", "2girls", "6+girls", "multiple_girls", "1boy", "2boys", "no_humans", "hat", "miku")
WORDS = TagVocabulary(NAMES, ("general",) * 9 + ("character",))


def tags_of(words: TagVocabulary = WORDS, options: Options | None = None, **scores: float) -> set[str]:
    given = {name.replace("more", "6+"): score for name, score in scores.items()}
    row = [given.get(name.lstrip("_"), given.get(f"_{name}", 0.0)) for name in words.names]
    return {name for name, _ in choose(row, words, options or Options()).chosen}


@pytest.mark.parametrize(
    ("scores", "left"),
    [
        ({"_1girl": 0.9, "_2girls": 0.5}, {"1girl"}),
        ({"_1girl": 0.5, "_2girls": 0.9, "moregirls": 0.8}, {"2girls"}),
        ({"_1girl": 0.9, "multiple_girls": 0.8}, {"1girl"}),
        ({"_2girls": 0.9, "multiple_girls": 0.8, "_1girl": 0.7, "solo": 0.6}, {"2girls", "multiple_girls"}),
        ({"solo": 0.9, "_1girl": 0.8, "_2boys": 0.7}, {"solo", "1girl"}),
        ({"_2girls": 0.9, "_2boys": 0.8, "_1boy": 0.7}, {"2girls", "2boys"}),
        ({"no_humans": 0.9, "_1girl": 0.8, "hat": 0.7}, {"no_humans", "hat"}),
        ({"no_humans": 0.5, "solo": 0.9}, {"no_humans", "solo"}),  # an animal alone
        ({"solo": 0.3, "_1girl": 0.2}, set()),  # nobody passes: nobody wins
    ],
)
def test_of_danboorus_counts_of_people_the_likeliest_stays(scores, left):
    assert tags_of(**scores) == left


def test_a_tag_that_lost_makes_no_other_lose():
    assert without_losers(["a", "b", "c"], (("a", "b"), ("b", "c"))) == ["a", "c"]


def test_excluding_the_winner_does_not_let_the_loser_in():
    assert tags_of(options=Options(exclude_tags="1girl"), _1girl=0.9, _2girls=0.8) == set()


def test_groups_of_the_file_take_the_place_of_those_by_name():
    own = dataclasses.replace(WORDS, exclusive=[["no_humans", "solo", "miku"], ["hat", "1boy"]])
    assert tags_of(own, solo=0.9, no_humans=0.8, miku=0.95, hat=0.7, _1boy=0.6, _1girl=0.5, _2girls=0.4) == {
        *("miku", "hat", "1girl", "2girls")
    }


def test_a_vocabulary_without_people_has_no_groups():
    assert counts_of_people(["hat", "girls", "1girlfriend"]) == ()
    assert counts_of_people(["1other", "solo", "2others"]) == (("1other", "2others"), ("solo", "2others"))


def test_groups_are_kept_in_the_file_and_a_file_without_them_is_unchanged(tmp_path):
    names = VOCABULARY.names
    model = small_tagger(dataclasses.replace(VOCABULARY, exclusive=[names[:2]]))
    save_model(tmp_path / "grouped.safetensors", model)
    kept = read_header(tmp_path / "grouped.safetensors").vocabulary
    assert kept is not None
    assert kept.groups == (names[:2],)
    assert "exclusive" not in json.loads(small_tagger().header.to_json())["vocabulary"]


@pytest.mark.parametrize("group", [["solo", "nobody_at_all"], ["solo", 3]])
def test_a_group_of_tags_that_are_not_there_is_named(group):
    with pytest.raises(SengaError, match="has a group with"):
        dataclasses.replace(WORDS, exclusive=[group])
