"""What a visitor can choose, in a real browser: sizes, formats, networks, speeds."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_pictures import difference, drawing, expected, opened
from page_visitor import Visitor, picture_file, running, visiting
from PIL import Image
from sample_taggers import small_tagger
from sample_upscalers import small_model
from senga.arch import save_model
from senga.headless.cli import OK, main
from senga.headless.site import serving

pytestmark = pytest.mark.page


def test_an_exact_size_and_another_format(visitor: Visitor) -> None:
    levels = drawing(20, 30)
    visitor.add({"a.b.png": picture_file(levels)})
    visitor.choose(scale="exact")
    visitor.page.fill("#width", "75")
    visitor.start()
    assert visitor.finished() == ["done"]
    _, png = visitor.saved("#download")
    assert difference(opened(png), expected(levels, size=(75, 50))) <= 2
    for kind, ending in (("webp", "WEBP"), ("jpeg", "JPEG")):
        visitor.page.select_option("#format", kind)
        name, data = visitor.saved("#download")
        assert name == f"a.b.{'jpg' if kind == 'jpeg' else kind}"
        image = Image.open(io.BytesIO(data))
        assert (image.format, image.size) == (ending, (75, 50))


def test_the_same_size_by_the_network_that_cleans(visitor: Visitor) -> None:
    levels = np.asarray(Image.open(io.BytesIO(picture_file(drawing(24, 40), "JPEG", quality=40))))
    visitor.add({"a.png": picture_file(levels)})
    visitor.choose(scale="exact", network="senga_compact_x1")
    visitor.page.fill("#width", "40")
    visitor.start()
    assert visitor.finished() == ["done"]
    assert difference(opened(visitor.saved("#download")[1]), expected(levels, "senga_compact_x1")) <= 2


@pytest.mark.parametrize("scale", [4, 8])
def test_larger_scales_take_several_passes(visitor: Visitor, scale: int) -> None:
    levels = drawing(3, 5)
    visitor.add({"a.png": picture_file(levels)})
    visitor.choose(scale=str(scale))
    visitor.start()
    assert visitor.finished() == ["done"]
    assert difference(opened(visitor.saved("#download")[1]), expected(levels, scale=scale)) <= 2


def test_a_drrn_has_its_speeds_and_their_times(browser: Any, tmp_path: Path) -> None:
    model = small_model("drrn", scale=2)
    save_model(tmp_path / "quick.safetensors", model)
    save_model(tmp_path / "tags.safetensors", small_tagger())
    options = ["-m", str(tmp_path / "quick.safetensors"), "--tagger", str(tmp_path / "tags.safetensors")]
    assert main(["page", "--out", str(tmp_path / "site"), *options]) == OK
    levels = drawing(10, 14)
    with running(serving.server(tmp_path / "site", 0)) as address, visiting(browser) as visitor:
        visitor.open(address)
        assert visitor.page.inner_text("#estimate") == "Its time on this device is measured with the first picture."
        visitor.page.click("#measure")
        visitor.until("!document.getElementById('measure').disabled")
        assert visitor.page.inner_text("#estimate").endswith("for each megapixel, measured on this device")
        units = visitor.page.eval_on_selector_all("#speed option", "all => all.map((one) => Number(one.value))")
        assert units == sorted(units, reverse=True)
        visitor.page.select_option("#speed", str(units[-1]))
        assert visitor.page.inner_text("#estimate").startswith("about ")  # from the other speed's time
        visitor.add({"a.png": picture_file(levels)})
        visitor.choose()
        visitor.start()
        assert visitor.finished() == ["done"]
        wanted = expected(levels, model.with_units(units[-1]))
        assert difference(opened(visitor.saved("#download")[1]), wanted) <= 2
        assert visitor.complaints() == []
