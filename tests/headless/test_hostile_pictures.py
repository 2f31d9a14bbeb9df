"""Pictures from strangers: one sentence for each in every command, in bounded time and memory; nothing is run."""

import struct
from pathlib import Path

import pytest
from bounds import within_bounds
from hostile_pictures import HOSTILE, flat_png
from PIL import Image
from sample_nodes import MADE, node, own_folder, workflow  # noqa: F401 (pytest finds the fixture by its name)
from sample_taggers import small_tagger
from senga.arch import save_model
from senga.headless.cli import FAILED, OK, USAGE, main
from senga.headless.files.pictures import read_picture

pytestmark = pytest.mark.usefixtures("own_folder")

TAGGER = "models/tagger.safetensors"
FIRST = ("tag", "degrade")  # take the first frame alone, which may be sound


def lines_of(name: str) -> dict[str, list[str]]:
    given = node("LoadImage", image=Path(name).name)
    return {
        "upscale": ["upscale", name, "-o", "output/", "--model", f"models/{MADE}"],
        "tag": ["tag", name, "-o", "output/", "--model", TAGGER],
        "degrade": ["degrade", name, "-o", "output/"],
        "run": ["run", workflow(**{"1": given})],
    }


@pytest.mark.parametrize(("name", "write", "words"), HOSTILE, ids=[name for name, _, _ in HOSTILE])
def test_a_strangers_picture_is_refused_in_one_sentence(name, write, words, capsys):
    save_model(TAGGER, small_tagger())
    write(Path("input", name))
    lines = lines_of(f"input/{name}")
    before = sorted(map(str, Path().rglob("*")))
    for command, line in lines.items():
        if command in FIRST and name.startswith("frames."):
            continue
        with within_bounds(Path("output")):
            code = main(line)
        said = capsys.readouterr()
        assert code in (FAILED, USAGE), command
        assert said.out == "", command
        (sentence,) = said.err.splitlines()
        assert sentence.startswith("senga: ")
        assert command == "run" or (name in sentence and words in sentence), command
        assert len(sentence) < 400
        assert sentence.isprintable()
        made = sorted(str(path) for path in Path().rglob("*") if path.parts[0] != "output")
        assert made == [path for path in before if not path.startswith("output")]
        assert not [path for path in Path("output").rglob("*.*") if not path.name.startswith(".senga")]


def test_pictures_are_as_varied_as_the_weights():
    assert len({name for name, _, _ in HOSTILE}) == len(HOSTILE) >= 50


def test_a_sound_picture_of_many_pixels_is_still_read(tmp_path):
    (tmp_path / "a.png").write_bytes(flat_png(9000))
    assert read_picture(tmp_path / "a.png").pages[0].size == (9000, 9000)


def test_a_photoshop_file_without_layers_is_the_picture_that_it_shows(tmp_path):
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 1, 2, 8, 3) + bytes(12)
    (tmp_path / "flat.psd").write_bytes(head + b"\0\0" + bytes([10, 20, 30, 40, 50, 60]))
    (page,) = read_picture(tmp_path / "flat.psd").pages
    assert [page.getpixel((x, 0)) for x in range(2)] == [(10, 30, 50), (20, 40, 60)]


def test_animations_of_a_folder_are_damaged_as_png(capsys):
    for name in ("a.gif", "b.webp"):
        frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
        frames[0].save(Path("input", name), save_all=True, append_images=frames[1:])
    assert main(["degrade", "input", "-o", "output/"]) == OK
    assert {Image.open(path).format for path in Path("output").glob("[ab].*")} == {"PNG"}
