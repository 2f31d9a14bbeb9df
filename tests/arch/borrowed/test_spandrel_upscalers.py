"""Twelve upscalers of other projects, through the room for borrowed libraries."""

import subprocess
import sys

import pytest
import torch
from repository import ROOT
from sample_foreign import FOREIGN, write_foreign
from sample_upscalers import picture
from senga.arch import SengaError, load_model, load_upscaler, read_header, save_model, upscale
from senga.arch.borrowed import borrow, halo, spandrel_upscalers
from senga.arch.borrowed.halo import Context
from senga.arch.borrowed.spandrel_table import CODE_LICENCES, MARKERS, code_licence, name_by_keys
from senga.arch.borrowed.spandrel_upscalers import BorrowedUpscaler
from senga.arch.weights import read_state_dict, task_of

pytestmark = pytest.mark.filterwarnings("ignore")  # of spandrel's networks, about torch

BORROWED = [name for name in FOREIGN if FOREIGN[name][0].startswith("spandrel/")]


@pytest.fixture(autouse=True)
def _small_reach(monkeypatch):
    """These networks have a layer or two; test_halo.py measures with all halos."""
    monkeypatch.setattr(halo, "HALOS", (4, 8, 12, 16, 24, 32))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """All the files, as a user has them."""
    folder = tmp_path_factory.mktemp("upscale_models")
    for name in FOREIGN:
        write_foreign(folder, name)
    return folder


def borrowed(path) -> BorrowedUpscaler:
    model = load_upscaler(path)
    assert isinstance(model, BorrowedUpscaler)
    return model


@pytest.mark.parametrize("name", FOREIGN)
def test_it_loads_and_upscales_to_exact_sizes_and_tiles_equal_the_whole_or_say_that_they_do_not(name, folder):
    architecture, scale, _ = FOREIGN[name]
    header = read_header(folder / name)
    assert (header.architecture, header.scale) == (architecture, scale)
    model = load_upscaler(folder / name)
    assert (model.header.architecture, model.scale, model.device.type) == (architecture, scale, "cpu")
    small = picture(47, 65, 4)
    whole = upscale(model, small)
    assert whole.shape == (1, 47 * scale, 65 * scale, 4)
    assert whole[..., :3].std() > 0.05  # not lost in the clamp
    tiled = upscale(model, small, tile=16)
    worst = float((tiled - whole).abs().max()) * 255
    assert worst < 1 or (isinstance(model, BorrowedUpscaler) and not model.before_tiling().seam_free)
    assert upscale(model, small, size=(100, 31), tile=64).shape == (1, 31, 100, 4)


def test_most_of_them_are_free_of_seams(folder):
    """Or the test above could pass with nothing but declarations."""
    free = {name for name in BORROWED if borrowed(folder / name).before_tiling().seam_free}
    assert len(free) >= 9
    assert "omnisr.pth" not in free


def test_the_context_is_measured_once_for_a_file(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("SENGA_CACHE", str(tmp_path))
    measured = []
    monkeypatch.setattr(spandrel_upscalers, "measure", lambda model: measured.append(model) or Context(7, 1, 0.0))
    for _ in range(2):
        model = load_upscaler(folder / "span.safetensors")
        assert model.default_halo == 80
        upscale(model, picture(20, 40), tile=16)
        upscale(model, picture(20, 40), tile=16)
        assert model.default_halo == 7
    assert len(measured) == 1
    upscale(load_upscaler(folder / "plksr.safetensors"), picture(20, 40), tile=16)
    assert len(measured) == 2


def test_a_picture_that_is_done_in_one_piece_needs_no_measurement(folder, monkeypatch):
    monkeypatch.setattr(spandrel_upscalers, "measure", lambda model: pytest.fail("it was measured"))
    monkeypatch.setattr(spandrel_upscalers, "cached_context", lambda key: pytest.fail("it was looked up"))
    upscale(load_upscaler(folder / "span.safetensors"), picture(20, 40))


def test_tiles_that_change_the_picture_are_announced_once_and_made_large(folder, caplog):
    model = borrowed(folder / "omnisr.pth")
    with caplog.at_level("WARNING", logger="senga"):
        upscale(model, picture(20, 40), tile=16)
        upscale(model, picture(20, 40), tile=16)
    assert len(caplog.records) == 1
    assert "OmniSR x2: tiled results differ from the whole by up to " in caplog.text
    assert "/255 where measured" in caplog.text
    assert model.whole_preferred


def test_a_descriptor_of_comfyuis_own_loader_is_measured_too(folder):
    descriptor = borrow("spandrel").ModelLoader("cpu").load_from_file(folder / "swinir.pth")
    small = picture(20, 40)
    whole = upscale(descriptor, small)
    tiled = upscale(descriptor, small, tile=16)
    assert float((tiled - whole).abs().max()) * 255 < 1
    loaded = load_upscaler(folder / "swinir.pth")
    assert torch.equal(upscale(loaded, small), whole)


def test_the_log_names_architecture_and_licence(folder, caplog):
    with caplog.at_level("INFO", logger="senga"):
        load_upscaler(folder / "dat.pth")
    assert "DAT x2 runs through spandrel" in caplog.text
    assert "its code: Apache-2.0; the licence of the weights is not in the file" in caplog.text


def test_every_network_of_spandrels_has_a_licence_and_ours_have_none():
    assert {row.architecture.id for row in borrow("spandrel").MAIN_REGISTRY} == CODE_LICENCES.keys()
    assert code_licence("spandrel/SwiftSRGAN") == "CC0-1.0"
    assert code_licence("rrdb") == ""


def test_marks_in_a_checkpoint_are_no_obstacle(folder, tmp_path):
    """Real-CUGAN's pro files hold one."""
    state = read_state_dict(folder / "realcugan.pth")
    torch.save({**state, "pro": True}, tmp_path / "pro.pth")
    assert load_upscaler(tmp_path / "pro.pth").header.provenance.notes == "pro"


def test_without_spandrel_the_message_names_the_network_and_the_command(folder, monkeypatch):
    monkeypatch.setattr(spandrel_upscalers, "is_there", lambda library: False)
    expected = {
        "esrgan_plus.pth": "ESRGAN+",
        **{name: FOREIGN[name][0].partition("/")[2] for name in BORROWED if name != "esrgan_plus.pth"},
    }
    for name, network in expected.items():
        for read in (load_model, read_header):
            with pytest.raises(SengaError) as caught:
                read(folder / name)
            assert str(caught.value).startswith(f"{name}: its keys are those of {network}, ")
            assert str(caught.value).endswith('".[models]" (in ComfyUI\'s Python: pip install spandrel)')
    assert load_model(folder / "compact.pth").header.architecture == "compact"  # ours needs no library


def test_no_row_of_the_markers_hides_another():
    for name, keys in MARKERS:
        assert name_by_keys(keys) == name


def test_what_spandrel_does_not_know_either_is_said_in_a_sentence(tmp_path):
    torch.save({"unet.swin1.block.0.attn.qkv.weight": torch.zeros(3, 3)}, tmp_path / "nunif.pth")
    with pytest.raises(SengaError, match=r"nunif\.pth: its keys are those of waifu2x SwinUNet, .* does not know it$"):
        load_model(tmp_path / "nunif.pth")
    torch.save({"what.weight": torch.zeros(3, 3)}, tmp_path / "what.pth")
    with pytest.raises(SengaError, match=r"no known network has its keys.* spandrel \S+ does not know it either$"):
        load_model(tmp_path / "what.pth")


def test_a_damaged_file_is_named_in_a_sentence(folder, tmp_path):
    state = read_state_dict(folder / "span.safetensors")
    state["block_1.c1_r.sk.weight"] = state["block_1.c1_r.sk.weight"][:5]
    torch.save(state, tmp_path / "cut.pth")
    with pytest.raises(SengaError, match=r"cut\.pth: spandrel \S+ takes it for SPAN, but cannot build it"):
        load_model(tmp_path / "cut.pth")


def test_networks_that_do_not_upscale_pictures_are_refused():
    spandrel = borrow("spandrel")
    net = spandrel.architectures.SPAN.SPAN(num_in_ch=4, num_out_ch=4, feature_channels=8, upscale=2)
    descriptor = spandrel.MAIN_REGISTRY.load(net.state_dict())
    with pytest.raises(SengaError, match=r"takes 4 channels and gives 4; expected one that takes and gives 1 or 3"):
        spandrel_upscalers.BorrowedUpscaler(descriptor)


def test_a_borrowed_network_is_not_saved_as_ours(folder, tmp_path):
    with pytest.raises(SengaError, match="spandrel/SPAN"):
        save_model(tmp_path / "x.safetensors", load_upscaler(folder / "span.safetensors"))
    assert not (tmp_path / "x.safetensors").exists()


def test_lists_do_not_import_spandrel(folder):
    assert task_of(folder / "dat.pth") == "upscale"


def test_spandrel_imports_beside_a_cpu_torch_without_the_tests_shim():
    """PyPI's torchvision does not fit it; nothing but `borrow` may be needed."""
    code = (
        "import importlib.util, sys;"
        f"spec = importlib.util.spec_from_file_location('senga', {str(ROOT / '__init__.py')!r},"
        f" submodule_search_locations=[{str(ROOT)!r}]);"
        "module = importlib.util.module_from_spec(spec); sys.modules['senga'] = module;"
        "from senga.arch.borrowed import borrow;"
        "assert 'spandrel' not in sys.modules and 'torchvision' not in sys.modules;"
        "print(len(borrow('spandrel').MAIN_REGISTRY))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 30
