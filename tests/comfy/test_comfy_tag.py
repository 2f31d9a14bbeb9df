"""The tagger in a genuine ComfyUI: load, tag, show, save; the same texts as without it."""

import json
import urllib.parse
from pathlib import Path

import numpy as np
import pytest
from comfy_client import Client, Json, RefusedError
from comfy_samples import drawing, node
from comfy_server import REPOSITORY, Server
from PIL import Image
from sample_taggers import known_tagger, small_tagger
from senga.arch import save_model
from senga.headless.cli import OK, main

pytestmark = pytest.mark.comfy

EXAMPLE = REPOSITORY / "example_workflows" / "api" / "tag_to_prompt.json"
WIDGETS = {
    "general_threshold": 0.35,
    "character_threshold": 0.85,
    "threshold_mode": "fixed",
    "max_tags": 0,
    "include_rating": False,
    "exclude_tags": "",
    "only_tags": "",
    "replace_underscore": True,
    "escape_parentheses": True,
    "with_scores": False,
    "sort": "score",
    "separator": ", ",
    "prefix": "",
    "suffix": "",
}


@pytest.fixture(scope="module")
def tagger(server: Server) -> str:
    """A made tagger in models/senga_taggers; the folder appears while ComfyUI runs, as a user would make it."""
    folder = server.base / "models" / "senga_taggers"
    folder.mkdir(parents=True, exist_ok=True)
    save_model(folder / "made_tagger.safetensors", small_tagger())
    save_model(folder / "known_tagger.safetensors", known_tagger([0.5, 0.95, 0.55, 0.9, 0.75, 0.97, 0.7, 0.2, 0.1]))
    (folder / "selected_tags.csv").write_text("name,category\n", encoding="utf-8")
    return "made_tagger.safetensors"


def workflow(client: Client, tagger: str, seeds: tuple[int, int] = (1, 2), **widgets: object) -> dict[str, Json]:
    return {
        "first": node("LoadImage", image=client.upload(drawing(90, 60, seed=seeds[0]))),
        "second": node("LoadImage", image=client.upload(drawing(90, 60, seed=seeds[1]))),
        "both": node("ImageBatch", image1=["first", 0], image2=["second", 0]),
        "load": node("SengaLoadTagger", model_name=tagger),
        "tag": node("SengaTagImage", tagger=["load", 0], image=["both", 0], **{**WIDGETS, **widgets}),
        "show": node("PreviewAny", source=["tag", 3]),
        "save": node("SengaSaveTags", images=["both", 0], tags=["tag", 0], filename_prefix="sets/t"),
    }


def test_the_folder_of_taggers_is_listed_by_weights_files_alone(tagger: str, client: Client) -> None:
    required = client.get("/object_info/SengaLoadTagger")["SengaLoadTagger"]["input"]["required"]
    names = required["model_name"][0]
    assert {tagger, "known_tagger.safetensors"} <= set(names)
    assert "selected_tags.csv" not in names


def test_a_batch_gives_a_text_for_each_frame_and_pairs_on_disk(tagger: str, client: Client, server: Server) -> None:
    done = client.run(workflow(client, tagger, general_threshold=0.2))
    texts = done.outputs["tag"]["text"]
    assert len(texts) == 2
    assert texts[0] != texts[1]
    scores = [json.loads(text) for text in done.outputs["show"]["text"]]
    assert [sorted(one) for one in scores] == [sorted(scores[0])] * 2
    saved = done.outputs["save"]
    for picture, caption, text, seed in zip(saved["images"], saved["captions"], texts, (1, 2), strict=True):
        assert picture["filename"].removesuffix(".png") == caption["filename"].removesuffix(".txt")
        folder = server.base / "output" / picture["subfolder"]
        assert (folder / caption["filename"]).read_text(encoding="utf-8") == text
        with Image.open(folder / picture["filename"]) as found:
            assert np.array_equal(np.asarray(found), np.asarray(drawing(90, 60, seed=seed)))
            assert "SengaTagImage" in found.info["prompt"]
    # Again: the texts are the same (from the cache or not), and the files count on.
    again = client.run(workflow(client, tagger, general_threshold=0.2, suffix=" "))
    assert [text.strip() for text in again.outputs["tag"]["text"]] == [text.strip() for text in texts]
    first, later = (run.outputs["save"]["images"][0]["filename"] for run in (done, again))
    assert int(later.split("_")[1]) == int(first.split("_")[1]) + 2


def test_the_texts_are_those_without_comfyui(
    tagger: str, client: Client, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompt = workflow(client, tagger, general_threshold=0.2, sort="people first")
    texts = client.run(prompt).outputs["tag"]["text"]
    (tmp_path / "w.json").write_text(json.dumps(prompt), encoding="utf-8")
    folders = ["--input-dir", str(server.input), "--output-dir", str(tmp_path / "output")]
    models = ["--models-dir", str(server.base / "models" / "senga_taggers")]
    capsys.readouterr()
    assert main(["run", str(tmp_path / "w.json"), *folders, *models]) == OK
    captions = sorted((tmp_path / "output" / "sets").glob("*.txt"))
    assert [path.read_text(encoding="utf-8") for path in captions] == texts
    # On the server by the command: pictures and captions are fetched, texts that go on are not printed twice.
    url = f"http://{client.host}:{client.port}"
    capsys.readouterr()
    assert main(["run", str(tmp_path / "w.json"), "--server", url, "--output-dir", str(tmp_path / "fetched")]) == OK
    lines = capsys.readouterr().out.splitlines()
    assert sorted(Path(line).suffix for line in lines if "fetched" in line) == [".png", ".png", ".txt", ".txt"]
    assert sum(line in texts for line in lines) == 0


def test_the_example_runs_with_a_tagger_of_the_folder(tagger: str, client: Client) -> None:
    prompt = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    prompt["1"]["inputs"]["image"] = client.upload(drawing(64, 80, alpha=True))
    prompt["2"]["inputs"]["model_name"] = "known_tagger.safetensors"
    done = client.run(prompt)
    expected = "1girl, solo, hatsune miku, ^_^, cat \\(animal\\), long hair"
    assert done.outputs["3"]["text"] == done.outputs["4"]["text"] == [expected]
    assert len(done.outputs["5"]["images"]) == 1


def test_values_out_of_range_are_refused_and_prefixes_stay_inside(tagger: str, client: Client) -> None:
    with pytest.raises(RefusedError) as refused:
        client.submit(workflow(client, tagger, general_threshold=1.5, sort="size"))
    faults = refused.value.body["node_errors"]["tag"]["errors"]
    assert sorted(fault["extra_info"]["input_name"] for fault in faults) == ["general_threshold", "sort"]
    prompt = workflow(client, tagger)
    prompt["save"]["inputs"]["filename_prefix"] = "../outside"
    error = client.wait(client.submit(prompt)).messages["execution_error"]
    assert error["node_type"] == "SengaSaveTags"
    assert "leads out of the output folder" in error["exception_message"]


def test_the_front_end_gets_the_script_that_shows_the_tags(client: Client) -> None:
    scripts = [path for path in client.get("/extensions") if path.endswith("show_tags.js")]
    assert len(scripts) == 1
    text = client._answer(urllib.parse.quote(scripts[0])).decode()
    assert text == (REPOSITORY / "web" / "show_tags.js").read_text(encoding="utf-8")
