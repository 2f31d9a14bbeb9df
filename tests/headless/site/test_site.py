"""`senga page` writes a folder that any host can serve: networks, runtime, manifest; served here with its headers."""

import gzip
import hashlib
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from repository import ROOT
from sample_taggers import small_tagger
from sample_upscalers import picture, small_model
from senga.arch import save_model
from senga.arch.borrowed import onnx_export
from senga.headless.cli import FAILED, OK, USAGE, main
from senga.headless.commands import page as command
from senga.headless.site import folder, models, packing, runtime

PAGE = ROOT / "page"
PINNED = json.loads((PAGE / "package.json").read_text(encoding="utf-8"))["dependencies"]


def make_runtime(parent: Path, version: str = PINNED["onnxruntime-web"]) -> Path:
    """A node_modules folder with small stand-ins."""
    modules = parent / "node_modules"
    for names in runtime.ENGINES.values():
        for name in names:
            path = modules / "onnxruntime-web" / "dist" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(f"{name} ".encode() * 100)
    (modules / "onnxruntime-web" / "package.json").write_text(json.dumps({"version": version}))
    for source in runtime.LIBRARIES.values():
        (modules / source).parent.mkdir(parents=True, exist_ok=True)
        (modules / source).write_text("export const zipSync = null;\n")
    return modules


@pytest.fixture(scope="module", autouse=True)
def exported_once(tmp_path_factory):
    """Each network's first export is kept: exporting takes seconds."""
    kept = tmp_path_factory.mktemp("exported")
    real = models.export_onnx

    def export(model, path, tile=0, **options):
        file = kept / f"{hashlib.sha256(f'{model.header.to_json()} {options}'.encode()).hexdigest()}.onnx"
        if not file.exists():
            real(model, file, tile, **options)
        shutil.copyfile(file, path)
        return 0.0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "export_onnx", export)
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two upscalers, one of them with two speeds, and a tagger; and the site made of them."""
    parent = tmp_path_factory.mktemp("site")
    save_model(parent / "plain.safetensors", small_model("compact", scale=2))
    save_model(parent / "quick.safetensors", small_model("drrn", scale=2))
    save_model(parent / "tags.safetensors", small_tagger())
    options = ["-m", str(parent / "plain.safetensors"), "-m", str(parent / "quick.safetensors")]
    options += ["--tagger", str(parent / "tags.safetensors"), "--runtime", str(make_runtime(parent))]
    assert main(["page", "--out", str(parent / "site"), *options]) == OK
    return parent, options


@pytest.fixture(scope="module")
def site(made):
    return made[0] / "site"


@pytest.fixture(scope="module")
def manifest(site):
    return json.loads((site / "manifest.json").read_text(encoding="utf-8"))


def contents(site: Path, place: str) -> bytes:
    path = site / place
    return path.read_bytes() if path.is_file() else gzip.decompress(path.with_name(f"{path.name}.gz").read_bytes())


def test_the_manifest_has_the_size_and_hash_of_every_file(site, manifest):
    for place, facts in manifest["files"].items():
        data = contents(site, place)
        assert (len(data), hashlib.sha256(data).hexdigest()) == (facts["size"], facts["sha256"])
        if "gz" in facts:
            packed = site / f"{place}.gz"
            assert packed.stat().st_size == facts["gz"]
            assert gzip.decompress(packed.read_bytes()) == data
    written = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    assert {name.removesuffix(".gz").removesuffix(".br") for name in written} == {
        *manifest["files"],
        "manifest.json",
        "_headers",
    }
    assert {"index.html", "engine/worker.js", "ui/app.js", "texts/ja.json", "sample.png"} <= set(manifest["shell"])
    assert set(manifest["shell"]) <= set(manifest["files"])


def test_brotlis_copies_are_there_too_and_smaller(site, manifest):
    brotli = pytest.importorskip("brotli")
    packed = {place: facts for place, facts in manifest["files"].items() if "br" in facts}
    assert {"index.html", "engine/worker.js", runtime_binary(manifest)} <= set(packed)
    for place, facts in packed.items():
        data = (site / f"{place}.br").read_bytes()
        assert len(data) == facts["br"] < facts["size"]
        assert hashlib.sha256(brotli.decompress(data)).hexdigest() == facts["sha256"]
    assert packed["index.html"]["br"] < packed["index.html"]["gz"]


def runtime_binary(manifest):
    return manifest["runtime"]["wasm"]["binary"]


def test_without_brotli_there_is_gzip_alone_and_the_log_says_how_to_get_it(monkeypatch, tmp_path, caplog):
    monkeypatch.setitem(sys.modules, "brotli", None)
    (tmp_path / "a.js").write_text("const a = 1;\n" * 100)
    with caplog.at_level("INFO", logger="senga"):
        found = folder.facts(tmp_path / "a.js", packing.packers())
    assert set(found) == {"size", "sha256", "gz"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.js", "a.js.gz"]
    assert 'pip install -c constraints.txt ".[page]"' in caplog.text


def test_only_large_files_are_left_out_of_what_is_there_offline_at_once(manifest):
    late = set(manifest["files"]) - set(manifest["shell"])
    assert {Path(place).suffix for place in late} == {".wasm", ".onnx", ".json", ".LICENSE"}


def test_upscalers_are_described_with_what_tiling_needs(site, manifest):
    plain, quick = manifest["upscalers"]
    model = small_model("compact", scale=2)
    assert (plain["name"], plain["scale"], plain["channels"]) == ("plain", 2, 3)
    (speed,) = plain["speeds"]
    assert (speed["units"], speed["halo"], speed["alignment"]) == (0, model.default_halo, 1)
    best, faster = quick["speeds"]
    assert best["units"] > faster["units"] > 0
    assert best["operations"] > faster["operations"]
    assert best["halo"] > faster["halo"]
    session = onnxruntime.InferenceSession(contents(site, speed["file"]))
    halo, image = speed["halo"], picture(20, 20)
    around = np.pad(image.movedim(3, 1).numpy(), ((0, 0), (0, 0), (halo, halo), (halo, halo)), mode="edge")
    found = np.asarray(session.run(None, {"image": around})[0])  # without the halo, which the graph cannot know
    np.testing.assert_allclose(found, model(image.movedim(3, 1)).numpy(), atol=1 / 255)


def test_the_count_of_operations_is_that_of_the_convolutions():
    model = small_model("compact", scale=2)
    config = model.header.config()
    n, out = config.features, 3 * config.scale**2
    per_input = 9 * (3 * n + config.layers * n * n + n * out)
    assert models.operations(model) == round(2 * per_input / config.scale**2)


def test_the_tagger_is_described_by_its_header(site, manifest):
    tags = json.loads(contents(site, manifest["tagger"]["tags"]))
    words = small_tagger().vocabulary
    assert (tuple(tags["names"]), tuple(tags["categories"])) == (words.names, words.categories)
    assert tags["untrained"] == list(words.untrained)
    assert tags["preprocessing"]["size"] == small_tagger().preprocessing.size


def test_the_same_site_has_the_same_version_and_a_changed_one_another(made, manifest, tmp_path):
    parent, options = made
    assert main(["page", "--out", str(tmp_path / "again"), *options]) == OK
    again = json.loads((tmp_path / "again" / "manifest.json").read_text(encoding="utf-8"))
    assert again["version"] == manifest["version"]
    (parent / "node_modules" / "fflate" / "LICENSE").write_text("changed")
    (tmp_path / "again" / "models" / "mine.txt").write_text("kept: it is not of the site")
    options = [*options[:2], *options[4:]]  # one upscaler less
    assert main(["page", "--out", str(tmp_path / "again"), *options]) == OK
    changed = json.loads((tmp_path / "again" / "manifest.json").read_text(encoding="utf-8"))
    assert changed["version"] != manifest["version"]
    assert not list((tmp_path / "again" / "models").glob("quick*"))
    assert (tmp_path / "again" / "models" / "mine.txt").is_file()
    assert not list(tmp_path.glob(".senga*"))


def test_a_folder_with_other_files_is_refused(made, tmp_path, caplog):
    (tmp_path / "thesis.txt").write_text("mine")
    assert main(["page", "--out", str(tmp_path), *made[1]]) == USAGE
    assert "has files that are not a site of Senga's" in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_manifest_that_names_files_elsewhere_removes_none(made, tmp_path):
    outside = tmp_path / "outside.txt"
    outside.write_text("mine")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "manifest.json").write_text(json.dumps({"files": {"../outside.txt": {}}}))
    assert main(["page", "--out", str(tmp_path / "site"), *made[1][:2], *made[1][4:]]) == OK
    assert outside.read_text() == "mine"


def test_without_the_packages_one_sentence_says_how_to_get_them(tmp_path, caplog):
    assert main(["page", "--out", str(tmp_path / "site"), "--runtime", str(tmp_path)]) == FAILED
    (said,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert "run `npm ci` in" in said
    assert "--runtime" in said
    assert not (tmp_path / "site").exists()


def test_the_runtime_may_be_named_by_three_folders_and_another_version_is_noted(tmp_path, caplog):
    modules = make_runtime(tmp_path, "0.0.1")
    for given in (modules, modules / "onnxruntime-web", modules / "onnxruntime-web" / "dist"):
        found = runtime.find_runtime(PAGE, given)
        assert found.files["libraries/fflate.js"] == modules.resolve() / "fflate/esm/browser.js" or given == modules
    assert f"is version 0.0.1; the page is tested with {PINNED['onnxruntime-web']}" in caplog.text


def test_bad_calls_are_refused(tmp_path, made, caplog):
    for call, text in [
        ([], "give --out SITE"),
        (["--serve", "70000"], "--serve 70000: expected a port"),
        (["--out", str(tmp_path / "s"), "--tagger", "nothing", *made[1][-2:]], "neither a known tagger nor a file"),
    ]:
        caplog.clear()
        assert main(["page", *call]) == USAGE
        assert text in caplog.text


def test_the_wrong_kind_of_network_is_named(made, tmp_path, caplog):
    parent, options = made
    tags, plain = str(parent / "tags.safetensors"), str(parent / "plain.safetensors")
    for call, text in ((["-m", tags], "is a tagger"), (["-m", plain, "--tagger", plain], "is an upscaler")):
        caplog.clear()
        assert main(["page", "--out", str(tmp_path / "s"), *call, *options[-2:]]) == FAILED
        assert text in caplog.text


def test_weights_that_16_bits_spoil_are_kept_in_32(tmp_path, monkeypatch):
    monkeypatch.setattr(models, "export_onnx", onnx_export.export_onnx)
    monkeypatch.setattr(onnx_export, "HALF_TOLERANCE", 0.0)
    assert models.export_small(small_model("compact", scale=2), tmp_path / "m.onnx") is False
    assert (tmp_path / "m.onnx").is_file()


def test_the_default_networks_are_ours_with_the_default_first():
    found = [path.stem for path in command.offered()]
    assert found[0] == "senga_compact_x2"
    assert "senga_compact_x1" in found
    sizes = [path.stat().st_size for path in command.offered()]
    assert sizes[0] < 2 * 10**6  # what a visitor loads first


def test_the_page_says_the_same_policy_in_all_three_places(site):
    headers = json.loads((PAGE / "headers.json").read_text(encoding="utf-8"))
    policy = headers["Content-Security-Policy"]
    assert policy == (
        "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' blob: data:; worker-src 'self' blob:"
    )
    html = (PAGE / "index.html").read_text(encoding="utf-8")
    assert f'http-equiv="Content-Security-Policy" content="{policy}"' in html
    assert f"  Content-Security-Policy: {policy}\n" in (site / "_headers").read_text(encoding="utf-8")


def test_the_page_has_no_code_from_elsewhere_and_none_made_from_text():
    scripts = [path for pattern in folder.OWN for path in PAGE.glob(pattern) if path.suffix == ".js"]
    assert len(scripts) > 15
    for path in scripts:
        text = path.read_text(encoding="utf-8")
        code = re.sub(r"//.*", "", text)
        assert "http" not in code.replace("https://www.w3.org", "")
        assert not re.search(r"\beval\(|new Function|innerHTML|outerHTML|insertAdjacentHTML|document\.write", code), (
            path
        )
        assert len(text.splitlines()) <= 300
    html = (PAGE / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"\son\w+=|<script(?! type=\"module\" src=)|style=", html)


def test_the_three_languages_have_the_same_texts_and_all_that_are_used():
    texts = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (PAGE / "texts").glob("*.json")}
    assert set(texts) == {"en", "ja", "zh"}
    html = (PAGE / "index.html").read_text(encoding="utf-8")
    scripts = "".join(path.read_text(encoding="utf-8") for path in (PAGE / "ui").glob("*.js"))
    used = set(re.findall(r'data-(?:text|label)="(\w+)"', html)) | set(re.findall(r'\btext\("(\w+)"', scripts))
    assert len(used) > 50
    for words in texts.values():
        assert set(words) == set(texts["en"])
        assert used <= set(words)
    for key, english in texts["en"].items():
        fields = set(re.findall(r"\{\w+\}", english))
        assert all(set(re.findall(r"\{\w+\}", words[key])) == fields for words in texts.values()), key
    assert {"senga_compact_x2", "senga_compact_x1"} <= set(texts["en"])


def test_the_lock_file_pins_the_packages_and_names_no_host():
    lock = json.loads((PAGE / "package-lock.json").read_text(encoding="utf-8"))
    for name, version in PINNED.items():
        assert lock["packages"][f"node_modules/{name}"]["version"] == version
    for name, entry in lock["packages"].items():
        assert "resolved" not in entry
        assert not name or "integrity" in entry
