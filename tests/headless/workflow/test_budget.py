"""The memory of a workflow is counted before it runs, and what is counted is what its nodes then give."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from bounds import within_bounds
from PIL import Image
from sample_nodes import Recorder, make_node, node, own_folder, required, workflow  # noqa: F401
from senga.headless.cli import OK, USAGE, main
from senga.headless.errors import NodeError, UsageError
from senga.headless.workflow.budget import check_memory, default_budget
from senga.headless.workflow.core_files import Folders
from senga.headless.workflow.execute import execute
from senga.headless.workflow.graph import Workflow
from senga.headless.workflow.node_classes import all_nodes
from senga.headless.workflow.sizes import NEEDS, Scale, need

NODES = all_nodes(Folders())
ESPCN = "senga_espcn_7_x2.safetensors"
PICTURE = node("LoadImage", image="a.png")


def scaled(source: str, width: int, height: int) -> dict[str, Any]:
    size = {"width": width, "height": height}
    return node("ImageScale", image=[source, 0], upscale_method="area", crop="disabled", **size)


def upscaled(source: str, **size: Any) -> dict[str, Any]:
    given = {"scale": 0.0, "width": 0, "height": 0, "tile": 0, "halo": -1, "precision": "fp32", **size}
    return node("SengaUpscale", upscale_model=["m", 0], image=[source, 0], self_ensemble=False, **given)


def saved(source: str) -> dict[str, Any]:
    return node("SaveImage", images=[source, 0], filename_prefix="x")


def doubling(times: int) -> dict[str, Any]:
    return {f"d{i + 1}": node("ImageBatch", image1=[f"d{i}", 0], image2=[f"d{i}", 0]) for i in range(times)}


HOSTILE = {
    "a batch doubled to 2^40": {"d0": PICTURE, **doubling(40), "z": saved("d40")},
    "16384 twice": {"1": PICTURE, "2": scaled("1", 16384, 16384), "3": scaled("2", 16384, 16383), "z": saved("3")},
    "65536 by 1": {"1": PICTURE, "m": node("SengaLoadUpscaleModel", model_name=ESPCN)}
    | {"2": upscaled("1", width=65536, height=1, fit="stretch"), "z": saved("2")},
    "width of 65536": {"1": PICTURE, "m": node("SengaLoadUpscaleModel", model_name=ESPCN)}
    | {"2": upscaled("1", width=65536), "z": saved("2")},
    "scale by 8, ten times": {"s0": PICTURE, "z": saved("s10")}
    | {f"s{i + 1}": node("ImageScaleBy", image=[f"s{i}", 0], upscale_method="area", scale_by=8.0) for i in range(10)},
    "many held at once": {"1": PICTURE, "z": saved("b299")}
    | {f"s{i}": scaled("1", 4096 + i, 4096) for i in range(300)}
    | {"b0": node("ImageBatch", image1=["s0", 0], image2=["s0", 0])}
    | {f"b{i}": node("ImageBatch", image1=[f"b{i - 1}", 0], image2=[f"s{i}", 0]) for i in range(1, 300)},
}


@pytest.mark.usefixtures("own_folder")
@pytest.mark.parametrize("name", HOSTILE)
def test_what_would_fill_the_memory_is_refused_before_it_runs(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (64, 64)).save("input/a.png")
    Path("w.json").write_text(json.dumps(HOSTILE[name]))
    with within_bounds(Path("output")):
        assert main(["run", "w.json", "--max-memory", "8"]) == USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("senga: w.json: node ")
    assert line.endswith("choose a smaller size, or allow more with --max-memory")
    assert not Path("output").exists()


@pytest.mark.usefixtures("own_folder")
def test_the_passes_on_the_way_to_an_odd_shape_count(capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (64, 64)).save("input/a.png")
    Path("w.json").write_text(json.dumps(HOSTILE["65536 by 1"]))
    assert main(["run", "w.json", "--max-memory", "8"]) == USAGE
    assert "w.json: node 2 (SengaUpscale): its result of 1 x 65536x1 pixels takes 1 MB and" in capsys.readouterr().err


@pytest.mark.usefixtures("own_folder")
def test_the_limit_is_an_option_and_the_message_names_node_size_and_limit(capsys: pytest.CaptureFixture[str]) -> None:
    wide = ["--set", "2.width=1000", "--set", "2.height=1000"]
    assert main(["run", workflow(), *wide, "--max-memory", "0.01"]) == USAGE
    assert capsys.readouterr().err == (
        "senga: w.json: node 2 (ImageScale): its result of 1 x 1000x1000 pixels takes 12 MB and 12 MB on the way, and "
        "other nodes hold 0 kB (expected at most 10 MB in all); choose a smaller size, or allow more with "
        "--max-memory\n"
    )
    assert main(["run", workflow(), *wide, "--max-memory", "0.1"]) == OK


@pytest.mark.parametrize("text", ["none", "0", "-1", "inf", "nan"])
def test_an_amount_of_memory_that_is_none(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["run", "w.json", "--max-memory", text])
    assert "is not an amount of memory (expected gigabytes, such as 16)" in capsys.readouterr().err


def test_sizes_that_show_only_while_it_runs_are_checked_then() -> None:
    made = make_node(required(n=("INT",)), ("IMAGE",), lambda n: (torch.zeros(1, n, n, 3),))
    nodes = {**NODES, "Made": made, "Out": Recorder().node_class}
    prompt = {"a": node("Made", n=10), "b": scaled("a", 500, 500), "z": node("Out", value=["b", 0])}
    check_memory(Workflow(prompt), nodes, 1000_000)
    with pytest.raises(NodeError, match=r"^node b \(ImageScale\): its result of 1 x 500x500 pixels takes 3 MB"):
        execute(Workflow(prompt), nodes, max_memory=1000_000)
    execute(Workflow(prompt), nodes, max_memory=10_000_000)


def test_what_later_nodes_still_need_counts_and_the_rest_does_not() -> None:
    made = make_node(required(n=("INT",)), ("IMAGE",), lambda n: (torch.zeros(1, n, n, 3),))
    nodes = {**NODES, "Made": made, "Out": Recorder().node_class}
    row = {f"i{k + 1}": node("ImageInvert", image=[f"i{k}", 0]) for k in range(20)}
    limit = 3 * 100 * 100 * 12  # three pictures
    freed = {"i0": node("Made", n=100), **row, "z": node("Out", value=["i20", 0])}
    execute(Workflow(freed), nodes, max_memory=limit)
    lasting = {f"b{k}": node("ImageBatch", image1=[f"i{k}", 0], image2=[f"i{k + 1}", 0]) for k in range(3)}
    ends = {"e": node("Out", value=["b2", 0]), "y": node("Out", value=["i0", 0])}
    with pytest.raises(NodeError, match=r"other nodes hold 360 kB \(expected at most 360 kB in all\)"):
        execute(Workflow({"i0": node("Made", n=100), **row, **lasting, **ends}), nodes, max_memory=limit)


@pytest.mark.usefixtures("own_folder")
@pytest.mark.parametrize("name", sorted(NEEDS))
def test_the_size_counted_is_the_size_made(name: str) -> None:
    nodes = all_nodes(Folders(Path("input"), Path("output"), Path("temp")))
    image, mask = torch.rand(2, 12, 16, 3), torch.rand(2, 12, 16)
    model = nodes["SengaLoadUpscaleModel"]().load(ESPCN)[0]
    given: dict[str, Any] = {
        "LoadImage": {"image": "a.png"},
        "LoadImageMask": {"image": "a.png", "channel": "red"},
        "SengaLoadImages": {"folder": "", "limit": 0, "start": 0},
        "SaveImage": {"images": image},
        "PreviewImage": {"images": image},
        "ImageScale": {"image": image, "upscale_method": "area", "width": 7, "height": 0, "crop": "disabled"},
        "ImageScaleBy": {"image": image, "upscale_method": "area", "scale_by": 1.7},
        "ImageBatch": {"image1": image, "image2": torch.rand(1, 5, 5, 4)},
        "MaskToImage": {"mask": mask},
        "ImageToMask": {"image": image, "channel": "red"},
        "JoinImageWithAlpha": {"image": image, "alpha": mask[:1]},
        "UpscaleModelLoader": {"model_name": ESPCN},
        "SengaLoadUpscaleModel": {"model_name": ESPCN},
        "ImageUpscaleWithModel": {"upscale_model": model, "image": image},
        "SengaUpscale": {"upscale_model": model, "image": image, "mask": mask, "scale": 3.0, "width": 0, "height": 0}
        | {"tile": 0, "halo": -1, "precision": "fp32", "self_ensemble": False},
        "SengaDegradeImage": {"image": image, "preset": "web_repost", "seed": 1, "scale": 2.0, "strength": 0.0},
    }.get(name, {"image": image})
    sizes = {
        k: tuple(v.shape) if isinstance(v, torch.Tensor) else Scale(2) if v is model else v for k, v in given.items()
    }
    returned = getattr(nodes[name](), nodes[name].FUNCTION)(**given)  # type: ignore[attr-defined]
    results = returned if isinstance(returned, tuple) else ()
    counted = need(name, nodes[name], sizes)
    assert counted is not None
    assert len(counted.results) == len(results)
    for made, size in zip(results, counted.results, strict=True):
        if isinstance(size, Scale):
            assert made.scale == size.factor
        elif size is not None and name != "LoadImage":  # its mask is 64x64 where there is no alpha
            assert tuple(made.shape) == size


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_both_sides_given_are_the_size_counted_and_crop_works_on_less(fit: str) -> None:
    given = {
        "upscale_model": Scale(2),
        "image": (2, 100, 400, 3),
        "scale": 0.0,
        "width": 300,
        "height": 300,
        "fit": fit,
    }
    counted = need("SengaUpscale", NODES["SengaUpscale"], given)
    assert counted is not None
    assert counted.results == ((2, 300, 300, 3), (2, 300, 300))
    whole = need("SengaUpscale", NODES["SengaUpscale"], {**given, "fit": "stretch"})
    assert whole is not None
    assert counted.work < whole.work or fit == "stretch"


def test_a_size_that_is_not_known_is_not_guessed() -> None:
    for name in NEEDS:
        assert need(name, NODES[name], {}) is None
    assert need("ImageScale", NODES["ImageScale"], {"image": (1, 2, 2, 3), "width": None, "height": 5}) is None
    assert need("Nobody", object, {}) is None


def test_the_default_is_a_part_of_the_free_memory() -> None:
    assert 0 < default_budget() <= 8e9


@pytest.mark.usefixtures("own_folder")
def test_thousands_of_saves_with_the_workflow_inside_each_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("w.json").write_text(json.dumps({"1": PICTURE} | {f"s{i}": saved("1") for i in range(10_000)}))
    with within_bounds(Path("output")):
        assert main(["run", "w.json"]) == USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("senga: w.json: 10000 nodes save pictures, each with the whole workflow of ")


@pytest.mark.usefixtures("own_folder")
def test_pictures_of_a_folder_are_held_together_and_count_before_they_are_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("input/many").mkdir()
    for number in range(20):
        Image.new("L", (1000, 500)).save(f"input/many/{number}.png")
    Path("input/many/broken.png").write_bytes(b"x")
    load = node("SengaLoadImages", folder="many", limit=0, start=0)
    Path("w.json").write_text(json.dumps({"1": load, "z": saved("1")}))
    with within_bounds(Path("output")):
        assert main(["run", "w.json", "--max-memory", "0.1"]) == USAGE
    found = capsys.readouterr().err
    assert found.startswith("senga: w.json: node 1 (SengaLoadImages): its result takes 0 kB and 160 MB on the way")
    assert not Path("output").exists()
    assert main(["run", "w.json", "--max-memory", "0.1", "--set", "1.limit=5"]) == OK


def test_a_refusal_names_the_file() -> None:
    sizes = Workflow({"x": node("ImageToMask", image=(1, 9, 9, 3)), "z": saved("x")})
    with pytest.raises(UsageError, match=r"^mine\.json: node x \(ImageToMask\): its result of 1 x 9x9 pixels"):
        check_memory(sizes, NODES, 1, source="mine.json")
