"""What a weights file says about itself: the header's JSON, and what is refused of it."""

import dataclasses
import json
from typing import Any

import pytest
from senga.arch import SengaError
from senga.arch.header import FORMAT, Header, Provenance
from senga.arch.preprocessing import Preprocessing
from senga.arch.vocabulary import TagVocabulary

UPSCALER = Header(
    "espcn_7", {"scale": 2}, 2, Provenance(source="test", licences=("CC0-1.0",), metrics={"psnr_y": 30.5})
)
TAGGER = Header(
    "mobilenetv3_small",
    {"tags": 2},
    None,
    vocabulary=TagVocabulary(("hat", "smile"), ("general", "general")),
    preprocessing=Preprocessing(size=64),
)


def edited(header: Header, **fields: Any) -> str:
    return json.dumps(json.loads(header.to_json()) | fields)


@pytest.mark.parametrize("header", [UPSCALER, TAGGER])
def test_a_header_comes_back_from_its_json(header: Header) -> None:
    assert Header.from_json(header.to_json()).to_json() == header.to_json()
    assert list(json.loads(header.to_json())) == sorted(json.loads(header.to_json()))


def test_a_tagger_of_many_tags_comes_back() -> None:
    names = tuple(f"tag_{number}" for number in range(300))
    vocabulary = TagVocabulary(names, ("general",) * 300)
    header = dataclasses.replace(TAGGER, hyperparameters={"tags": 300}, vocabulary=vocabulary)
    found = Header.from_json(header.to_json()).vocabulary
    assert found is not None
    assert tuple(found.names) == names


def test_an_upscalers_header_says_nothing_of_taggers() -> None:
    names = {field.name for field in dataclasses.fields(Header)}
    assert set(json.loads(UPSCALER.to_json())) == names - {"vocabulary", "preprocessing"}
    assert set(json.loads(TAGGER.to_json())) == names


@pytest.mark.parametrize("found", [FORMAT + 1, FORMAT - 1, str(FORMAT), None])
def test_another_format_is_refused(found: Any) -> None:
    with pytest.raises(SengaError, match=rf"the header has format .*; this version reads format {FORMAT}"):
        Header.from_json(edited(UPSCALER, format=found))


@pytest.mark.parametrize(
    ("header", "fields", "message"),
    [
        (UPSCALER, {"architecture": 3}, "the header's architecture is 3; expected str: it was edited"),
        (UPSCALER, {"hyperparameters": []}, r"the header's hyperparameters is \[\]; expected dict: it was edited"),
        (UPSCALER, {"provenance": "me"}, "the header's provenance is 'me'; expected dict: it was edited"),
        (UPSCALER, {"provenance": {"metrics": []}}, "metrics is not a table"),
        (UPSCALER, {"provenance": {"licences": "CC0-1.0"}}, "licences is not a list of names"),
        (UPSCALER, {"provenance": {"licences": [1]}}, "licences is not a list of names"),
        (UPSCALER, {"provenance": {"notes": 5}}, "notes is not text"),
        (UPSCALER, {"colour": "red"}, r"missing or unknown fields \(.*colour.*\); update Senga"),
        (UPSCALER, {"scale": 4}, "the header says scale 4, its hyperparameters 2; it was edited"),
        (
            TAGGER,
            {"vocabulary": None},
            r"the header of a tagger \(mobilenetv3_small\) has no vocabulary",
        ),
        (TAGGER, {"preprocessing": None}, "has no preprocessing; save it with both"),
        (TAGGER, {"hyperparameters": {"tags": 3}}, "the head has 3 outputs, the vocabulary 2 tags; expected equal"),
    ],
)
def test_what_contradicts_itself_is_named(header: Header, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SengaError, match=message):
        Header.from_json(edited(header, **fields))


def test_names_are_written_as_they_are_read() -> None:
    assert "線画" in Header("espcn_7", {"scale": 2}, 2, Provenance(notes="線画")).to_json()


def test_what_is_not_json_is_called_damaged() -> None:
    with pytest.raises(SengaError, match="the file was damaged or made by another tool"):
        Header.from_json(UPSCALER.to_json()[:-1])


@pytest.mark.parametrize("change", [1, -1])
def test_a_tagger_with_more_or_fewer_outputs_than_tags_is_refused(change: int) -> None:
    raw = json.loads(TAGGER.to_json())
    raw["hyperparameters"]["tags"] += change
    with pytest.raises(SengaError, match=r"the head has .* outputs, the vocabulary .* tags; expected equal numbers"):
        Header.from_json(json.dumps(raw))


def test_a_network_of_another_program_has_no_units() -> None:
    header = Header("spandrel/SPAN", {}, 2)
    assert header.units == ()
    with pytest.raises(SengaError, match="units is 3, and spandrel/SPAN networks have no units; leave it at 0"):
        header.check_units(3)
