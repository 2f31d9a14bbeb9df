"""ComfyUI sees our nodes as they are meant to be seen."""

import pytest
from comfy_client import Client, Json, RefusedError
from comfy_samples import node, save, upscale
from comfy_server import REPOSITORY
from senga.arch import read_header

pytestmark = pytest.mark.comfy

# Links and widget values in saved workflows are positional: append to a list, change nothing else.
INPUTS = {
    "SengaLoadUpscaleModel": {"required": ["model_name"], "optional": ["units"]},
    "SengaUpscale": {
        "required": [
            "upscale_model",
            "image",
            "scale",
            "width",
            "height",
            "tile",
            "halo",
            "precision",
            "self_ensemble",
        ],
        "optional": ["mask", "fit"],
    },
    "SengaDegradeImage": {
        "required": ["image", "preset", "seed", "scale", "strength"],
        "optional": ["recipe"],
    },
    "SengaRecipeStep": {"required": ["step", "parameters", "probability"], "optional": ["recipe"]},
    "SengaLoadTagger": {"required": ["model_name"]},
    "SengaTagImage": {
        "required": [
            "tagger",
            "image",
            "general_threshold",
            "character_threshold",
            "threshold_mode",
            "max_tags",
            "include_rating",
            "exclude_tags",
            "only_tags",
            "replace_underscore",
            "escape_parentheses",
            "with_scores",
            "sort",
            "separator",
            "prefix",
            "suffix",
        ],
        "optional": ["mask"],
    },
    "SengaSaveTags": {
        "required": ["images", "tags", "filename_prefix"],
        "optional": ["mask", "names"],
        "hidden": ["prompt", "extra_pnginfo"],
    },
    "SengaModelInfo": {"required": ["model_name"]},
    "SengaCompareImages": {"required": ["image_a", "image_b", "mode"]},
    "SengaLoadImages": {"required": ["folder", "limit", "start"]},
}
OUTPUTS = {
    "SengaLoadUpscaleModel": [("UPSCALE_MODEL", "upscale_model")],
    "SengaUpscale": [("IMAGE", "image"), ("MASK", "mask")],
    "SengaDegradeImage": [("IMAGE", "image"), ("STRING", "report")],
    "SengaRecipeStep": [("STRING", "recipe")],
    "SengaLoadTagger": [("SENGA_TAGGER", "tagger")],
    "SengaTagImage": [("STRING", "tags"), ("STRING", "characters"), ("STRING", "rating"), ("STRING", "scores")],
    "SengaSaveTags": [],
    "SengaModelInfo": [("STRING", "info")],
    "SengaCompareImages": [("IMAGE", "image"), ("FLOAT", "psnr"), ("FLOAT", "ssim")],
    "SengaLoadImages": [("IMAGE", "images"), ("MASK", "masks"), ("STRING", "names")],
}


@pytest.fixture(scope="module", params=sorted(INPUTS))
def info(request: pytest.FixtureRequest, client: Client) -> Json:
    return client.get(f"/object_info/{request.param}")[request.param]


def test_node_comes_from_the_linked_repository(info: Json) -> None:
    assert info["python_module"] == "custom_nodes.ComfyUI-Senga"


def test_inputs_and_outputs_keep_their_names_and_order(info: Json) -> None:
    assert {kind: names for kind, names in info["input_order"].items() if names} == INPUTS[info["name"]]
    assert list(zip(info["output"], info["output_name"], strict=True)) == OUTPUTS[info["name"]]


def test_node_and_each_input_and_output_are_explained(info: Json) -> None:
    assert info["category"] == "Senga"
    assert info["display_name"] != info["name"]
    assert len(info["description"]) > 20
    for kind, inputs in info["input"].items():
        for name, (_, options) in inputs.items() if kind != "hidden" else ():
            assert len(options["tooltip"]) > 10, name
    assert all(len(tooltip) > 10 for tooltip in info["output_tooltips"])


def test_every_shipped_model_can_be_chosen(client: Client) -> None:
    choices, _ = client.get("/object_info/SengaLoadUpscaleModel")["SengaLoadUpscaleModel"]["input"]["required"][
        "model_name"
    ]
    shipped = {
        path.name
        for path in (REPOSITORY / "weights").glob("*.safetensors")
        if read_header(path).row().task == "upscale"
    }
    assert shipped
    assert shipped <= set(choices)


def test_the_line_about_a_model_is_served(client: Client) -> None:
    found = client.get("/senga/model?task=upscale&name=senga_compact_x2.safetensors")
    assert found["default"] is True
    assert found["line"].startswith("x2, ")
    assert client.get("/senga/model?task=upscale&name=../x") == {}


def test_a_tile_that_cannot_run_is_refused_before_the_run(client: Client) -> None:
    """The limits of an input that VALIDATE_INPUTS names are the node's own to check."""
    for tile in (5, -1, 8193):
        prompt = {
            "1": node("EmptyImage", width=8, height=8, batch_size=1, color=0),
            "2": node("SengaLoadUpscaleModel", model_name="senga_compact_x2.safetensors"),
            "3": upscale(["2", 0], ["1", 0], tile=tile),
            "4": save(["3", 0], "refused"),
        }
        with pytest.raises(RefusedError) as refused:
            client.submit(prompt)
        assert f"tile is {tile}; expected 0" in str(refused.value.body["node_errors"]["3"])


def test_help_pages_and_languages_are_served(client: Client) -> None:
    texts = client.get("/i18n")
    for language in ("en", "ja", "zh"):
        assert INPUTS.keys() <= texts[language]["nodeDefs"].keys()
        assert texts[language]["senga"]["tag_with"]
