"""What a file is for follows from its header: of the files that ship, of ones like them, and of other programs'."""

import dataclasses

import pytest
from repository import ROOT
from sample_taggers import VOCABULARY, small_tagger
from senga.arch import Header, Provenance, read_header
from senga.arch.purpose import UNKNOWN, one_line, page, purpose, short_licence
from senga.arch.vocabulary import TagVocabulary

CLEAN = {"psnr_y": 40.0, "psnr_y_q75": 34.0}


def upscaler(
    metrics: dict[str, float], scale: int = 2, command: str = "senga train sr x.toml", notes: str = ""
) -> Header:
    origin = Provenance(
        source="senga", command=command, notes=notes, metrics=metrics, licences=("MIT", "CC0-1.0 AND MIT")
    )
    return Header("espcn_7", {}, scale, origin)


@pytest.mark.parametrize(
    ("header", "what"),
    [
        (upscaler(CLEAN), "clean drawings"),
        (upscaler({**CLEAN, "psnr_y_q50": 31.0}), "clean drawings and light JPEG damage"),
        (upscaler({**CLEAN, "psnr_y_q50": 31.0, "psnr_y_patterns": 66.0}), "keeps dither and screentone"),
        (upscaler({**CLEAN, "psnr_y_q75": 38.5}), "JPEG pictures and clean drawings"),
        (
            upscaler({"psnr_y": 43.0, "psnr_y_clean": 45.0}, 1, notes="LR by bicubic, q75"),
            "same size, cleans JPEG damage",
        ),
        (upscaler(CLEAN, 4, "senga train sr configs/rrdb_x4_gan.toml"), "crisp lines"),
    ],
)
def test_the_purpose_follows_from_scale_scores_and_command(header, what):
    assert what in purpose(header).what


def test_the_units_of_a_drrn_are_named():
    header = dataclasses.replace(upscaler(CLEAN), architecture="drrn", hyperparameters={"supervised_units": [1, 3, 5]})
    assert purpose(header).what == "clean drawings; units 1, 3 (faster) or 5"
    alone = dataclasses.replace(header, hyperparameters={"units": 3, "supervised_units": [3]})
    assert purpose(alone).what == "clean drawings"
    left_out = dataclasses.replace(header, hyperparameters={})  # the architecture's defaults
    assert purpose(left_out).what == "clean drawings; units 3 (faster) or 5"


def test_a_name_that_only_contains_gan_is_not_a_gan():
    assert "crisp" not in purpose(upscaler(CLEAN, command="senga train sr elegant.toml")).what


def test_nothing_is_guessed_of_other_programs_files():
    header = Header("espcn_7", {}, 2, Provenance(source="yu45020/Waifu2x"))
    assert purpose(header).what == UNKNOWN
    assert short_licence(header) == "unknown"


def test_the_line_has_scale_size_purpose_and_licences():
    assert one_line(upscaler(CLEAN), 1_234_567) == "x2, 1.2 MB: clean drawings. Training pictures: CC0-1.0, MIT"


def test_a_tagger_says_in_one_line_what_it_has_never_seen():
    header = small_tagger().header
    assert "has never seen" not in one_line(header)  # of an unknown source, with 1girl and all categories
    narrow = TagVocabulary(("1other", "smile", "safe"), ("general", "general", "rating"), untrained=("rating",))
    origin = Provenance(source="senga", licences=("CC0-1.0",))
    line = one_line(dataclasses.replace(header, vocabulary=narrow, provenance=origin))
    assert "has never seen Danbooru's pictures, girls and boys as such (it says 1other) or ratings." in line
    assert "\n" not in line
    seen = dataclasses.replace(header, vocabulary=VOCABULARY, provenance=origin)
    assert purpose(seen).limits == "has never seen Danbooru's pictures"


def test_what_a_strangers_header_holds_is_one_line_and_never_fails():
    odd = Provenance(
        source="senga",
        command=7,  # type: ignore[arg-type]
        notes="a\nfile: other\x1b[2J",
        licences=(3, "MIT\nfor: all"),  # type: ignore[arg-type]
        metrics={"psnr_y": "high", "psnr_y_q75": None, "psnr_y_q50": 10**400, "ssim_y": True},  # type: ignore[dict-item]
        steps="many",  # type: ignore[arg-type]
    )
    header = Header("espcn_7", {}, 2, odd)
    assert "\n" not in one_line(header)
    lines = page("x.safetensors", header).splitlines()
    assert [line.partition(":")[0] for line in lines].count("file") == 1
    assert not any("\x1b" in line for line in lines)


def test_every_file_that_ships_has_a_purpose_and_recorded_licences():
    paths = sorted((ROOT / "weights").glob("*.safetensors"))
    assert len(paths) > 3
    for path in paths:
        header = read_header(path)
        about = purpose(header)
        assert about.what != UNKNOWN, path.name
        assert short_licence(header) != "unknown", path.name
        assert (header.scale is None) == bool(about.limits), path.name
        assert f"command: {header.provenance.command}" in page(path.name, header, path.stat().st_size).splitlines()
