"""`senga run --server` on a genuine ComfyUI: saved workflows, uploads, results, faults, failures, Ctrl-C."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import docs_examples
import numpy as np
import pytest
from comfy_client import Client
from comfy_samples import assert_same_picture, drawing, node, save, upscale
from comfy_server import REPOSITORY, Server
from PIL import Image
from senga.headless.cli import FAILED, INTERRUPTED, OK, USAGE, main
from senga.headless.progress import ProgressLine
from senga.nodes import host

pytestmark = pytest.mark.comfy

TEMPLATE = "Upscale a picture with its mask"

SAVED = REPOSITORY / "tests" / "headless" / "workflow" / "editor"


@pytest.fixture
def url(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The server's address; the test stands in a folder of its own, with input/."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(host, "standalone", host.Standalone())
    Path("input").mkdir()
    return f"http://{client.host}:{client.port}"


def written(prompt: dict[str, Any]) -> str:
    Path("w.json").write_text(json.dumps(prompt), encoding="utf-8")
    return "w.json"


def small(shipped_model: str, side: int = 24, **changes: Any) -> dict[str, Any]:
    drawing(side, side, alpha=True).save("input/small.png")
    return {
        "1": node("LoadImage", image="small.png"),
        "2": node("SengaLoadUpscaleModel", model_name=shipped_model),
        "3": upscale(["2", 0], ["1", 0], **changes),
        "4": save(["3", 0], "remote/small"),
    }


def test_the_saved_example_gives_the_picture_that_it_gives_alone(
    url: str, shipped_model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    drawing(40, 30, alpha=True).save("input/example.png")
    example = str(REPOSITORY / "example_workflows" / f"{TEMPLATE}.json")
    ids = {node["type"]: str(node["id"]) for node in json.loads(Path(example).read_text(encoding="utf-8"))["nodes"]}
    settings = [
        *("--set", f"{ids['LoadImage']}.image=example.png"),
        *("--set", f"{ids['SengaLoadUpscaleModel']}.model_name={shipped_model}"),
        *("--set", f"{ids['SengaUpscale']}.precision=fp32"),
    ]
    assert main(["run", example, "--output-dir", "alone", *settings]) == OK
    assert main(["run", example, "--output-dir", "remote", "--server", url, *settings]) == OK
    alone, remote = capsys.readouterr().out.splitlines()
    assert Path(remote).parent == Path("remote/senga")
    with Image.open(alone) as expected, Image.open(remote) as found:
        assert found.size == (80, 60)
        assert_same_picture(found, expected)
        assert json.loads(found.info["workflow"]) == json.loads(Path(example).read_text(encoding="utf-8"))


def test_nodes_that_only_the_server_knows(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    saved = json.loads((SAVED / "bypassed_any.json").read_text(encoding="utf-8"))["workflow"]
    drawing(20, 10).save("input/senga_lucy.png")
    assert main(["run", written(saved)]) == USAGE
    assert "run it with --server" in capsys.readouterr().err
    assert main(["run", written(saved), "--server", url, "--set", "6.value=7"]) == OK
    out = capsys.readouterr().out.splitlines()
    sizes = sorted(Image.open(path).size for path in out if path.endswith(".png"))
    assert sizes == [(512, 7), (512, 512)]


@pytest.mark.parametrize("name", sorted(path.stem for path in SAVED.glob("subgraph*.json")))
def test_the_server_takes_converted_subgraphs(name: str, url: str, shipped_model: str) -> None:
    saved = json.loads((SAVED / f"{name}.json").read_text(encoding="utf-8"))["workflow"]
    drawing(20, 10).save("input/senga_lucy.png")
    settings = ["--set", f"SengaLoadUpscaleModel.model_name={shipped_model}"] if name == "subgraph_combo" else []
    # What a muted subgraph leaves has a SaveImage without a picture, which the server refuses.
    expected = USAGE if name == "subgraph_muted" else OK
    assert main(["run", written(saved), "--server", url, *settings]) == expected


def test_inputs_are_uploaded_into_their_folder_and_replace_nothing(
    url: str, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = drawing(9, 7, seed=1), drawing(9, 7, seed=2)
    prompt = {"1": node("LoadImage", image="deep/er.png"), "2": save(["1", 0], "uploaded")}
    Path("input/deep").mkdir()
    for picture in (first, second, first):
        picture.save("input/deep/er.png")
        assert main(["run", written(prompt), "--server", url]) == OK
        path = capsys.readouterr().out.splitlines()[-1]
        assert np.array_equal(np.array(Image.open(path)), np.array(picture))
    assert (server.input / "deep" / "er.png").is_file()


def test_the_servers_faults_are_told_as_ours_are(
    url: str, shipped_model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    prompt = small(shipped_model, tile=-5, precision="fp8")
    del prompt["4"]["inputs"]["filename_prefix"]
    assert main(["run", written(prompt), "--server", url]) == USAGE
    lines = sorted(capsys.readouterr().err.splitlines())  # the server checks a node's inputs in no order
    assert len(lines) == 3
    assert lines[0].startswith("senga: w.json: 3.precision (SengaUpscale): ")
    assert lines[1].startswith("senga: w.json: 3.tile (SengaUpscale): ")
    assert lines[2].startswith("senga: w.json: 4.filename_prefix (SaveImage): ")


def test_a_workflow_without_an_output_is_told_as_a_whole(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    drawing(9, 7).save("input/x.png")
    assert main(["run", written({"1": node("LoadImage", image="x.png")}), "--server", url]) == USAGE
    assert capsys.readouterr().err.startswith("senga: w.json: workflow: Prompt has no outputs")


def test_a_node_that_fails_is_named(url: str, shipped_model: str, capsys: pytest.CaptureFixture[str]) -> None:
    prompt = small(shipped_model, width=65536, height=1, fit="stretch")
    assert main(["run", written(prompt), "--server", url]) == FAILED
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("senga: node 3 (SengaUpscale): 24x24 to 65536x1 pixels would pass through a side of ")


def test_texts_are_printed_and_previews_named(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    drawing(9, 7).save("input/x.png")
    prompt = {
        "1": node("LoadImage", image="x.png"),
        "2": node("PreviewImage", images=["1", 0]),
        "3": node("GetImageSize", image=["1", 0]),
        "4": node("PreviewAny", source=["3", 0]),
    }
    assert main(["run", written(prompt), "--server", url]) == OK
    out, err = capsys.readouterr()
    assert "9" in out.splitlines()
    assert "node 2 (PreviewImage): a preview is not kept" in err


def test_ctrl_c_interrupts_the_run_on_the_server(
    url: str, client: Client, shipped_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []

    def part(self: ProgressLine, done: int, total: int) -> None:
        seen.append((done, total))
        raise KeyboardInterrupt

    monkeypatch.setattr(ProgressLine, "part", part)
    assert main(["run", written(small(shipped_model, side=480, tile=16)), "--server", url]) == INTERRUPTED
    assert len(seen) == 1
    while client.get("/queue")["queue_running"]:
        pass
    last = list(client.get("/history").values())[-1]
    assert "execution_interrupted" in dict(last["status"]["messages"])
    assert Path("output").exists() is False


def test_progress_is_shown(url: str, shipped_model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    labels: list[str] = []
    parts: list[tuple[int, int]] = []
    monkeypatch.setattr(ProgressLine, "start", lambda self, label: labels.append(label))
    monkeypatch.setattr(ProgressLine, "part", lambda self, done, total: parts.append((done, total)))
    assert main(["run", written(small(shipped_model, side=96, tile=16)), "--server", url]) == OK
    assert labels[:2] == ["uploading", "waiting"]
    assert "3 (SengaUpscale)" in labels
    assert len(parts) > 1
    assert parts[-1][0] == parts[-1][1]


def test_the_example_of_the_page_about_the_shell(
    url: str, tmp_path: Path, shipped_model: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "page"
    folder.mkdir()
    monkeypatch.chdir(folder)
    docs_examples.folder_of_the_page(folder)
    examples = [example for example in docs_examples.EXAMPLES if example.command.startswith("senga run upscale.json")]
    assert sum("--server" in example.command for example in examples) == 1
    for example in examples:
        docs_examples.run_example(example, capsys, **{"http://127.0.0.1:8188": url})


def test_the_example_stands_in_the_template_browser(client: Client) -> None:
    (name,) = [name for name, examples in client.get("/workflow_templates").items() if TEMPLATE in examples]
    example = REPOSITORY / "example_workflows" / f"{TEMPLATE}.json"
    assert client.get(f"/api/workflow_templates/{name}/{quote(TEMPLATE)}.json") == json.loads(
        example.read_text(encoding="utf-8")
    )
