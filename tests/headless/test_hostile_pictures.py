"""Pictures from strangers: one sentence for each in every command, in bounded time and memory; nothing is run."""

from pathlib import Path

import pytest
from bounds import within_bounds
from hostile_pictures import HOSTILE
from sample_nodes import MADE, node, own_folder, workflow  # noqa: F401 (pytest finds the fixture by its name)
from sample_taggers import small_tagger
from senga.arch import save_model
from senga.headless.cli import FAILED, USAGE, main
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
    from hostile_pictures import flat_png

    (tmp_path / "a.png").write_bytes(flat_png(9000))
    assert read_picture(tmp_path / "a.png").pages[0].size == (9000, 9000)
