"""Weights files from strangers: one sentence for each, in bounded time and memory; nothing is run, nothing written."""

import copy
import json
import string
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from bounds import within_bounds
from hostile_makers import rrdb
from hostile_weights import HOSTILE
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sample_taggers import small_tagger
from sample_upscalers import small_model
from senga.arch import Header, SengaError, UpscaleModel, load_model, read_header
from senga.arch.files.tensor_files import parse_safetensors_header
from senga.arch.foreign_taggers import settings_beside
from senga.arch.vocabulary import read_vocabulary
from senga.arch.weights import task_of

PROMISED = 60  # files at least
LOADS_ONLY = ("nan.safetensors", "inf.safetensors", "half.safetensors", "nan.pth")  # the values are not in the index


@pytest.fixture(scope="module", autouse=True)
def libraries_at_hand():
    """The first file that is none of ours imports spandrel; that is no fault of the file's."""
    from senga.arch.borrowed import borrow

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        borrow("spandrel")


def refusal(call: Callable[[], object]) -> str:
    """The sentence of a SengaError, "" for none. Any other error ends the test."""
    try:
        call()
    except SengaError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("name", "write", "words"), HOSTILE, ids=[name for name, _, _ in HOSTILE])
def test_a_strangers_file_is_refused_in_one_sentence(name, write, words, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name
    write(path)
    before = {p.name for p in tmp_path.rglob("*")}
    reads = [load_model] if name in LOADS_ONLY else [read_header, load_model]
    for read in reads:
        with within_bounds(), warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(SengaError) as caught:
                read(path)
        message = str(caught.value)
        assert words in message
        assert name in message
        assert len(message) <= 600
        assert message.isprintable()
    if name in LOADS_ONLY:
        assert read_header(path).architecture == "rrdb"
    assert refusal(lambda: task_of(path)).isprintable()  # what a list asks; it may refuse, too
    assert {p.name for p in tmp_path.rglob("*")} == before
    assert capfd.readouterr() == ("", "")


def test_as_many_files_as_promised_are_tried():
    assert len({name for name, _, _ in HOSTILE}) == len(HOSTILE) >= PROMISED


def write_tagger(path: Path, prefix: str = "") -> dict[str, torch.Tensor]:
    """A checkpoint and the list of its tags beside it; gives its tensors."""
    model = small_tagger()
    state = model.model.state_dict()
    torch.save({"params_ema": {prefix + key: value for key, value in state.items()}}, path)
    path.with_suffix(".json").write_text(json.dumps(model.vocabulary.names), encoding="utf-8")
    return state


def test_counters_of_batch_normalisation_stay_integers(tmp_path):
    state = write_tagger(tmp_path / "t.pth")
    assert task_of(tmp_path / "t.pth") == "tag"
    loaded = load_model(tmp_path / "t.pth").model.state_dict()
    assert {key: value.dtype for key, value in loaded.items()} == {key: value.dtype for key, value in state.items()}
    assert torch.int64 in {value.dtype for value in loaded.values()}


# One table of prefixes serves every network: each alone, some nested, in both kinds of file.
WRAPPED = [
    ("module.",),
    ("net_g.",),
    ("generator.",),
    ("netG.",),
    ("_orig_mod.",),
    ("params_ema.",),
    ("params.",),
    ("module.", "_orig_mod."),
    ("_orig_mod.", "module."),
    ("net_g.", "module.", "_orig_mod."),
    ("state_dict.", "generator.", "params_ema."),
]


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize("prefixes", WRAPPED, ids=["".join(p) for p in WRAPPED])
def test_prefixes_of_wrappers_are_removed(prefixes, suffix, tmp_path):
    from safetensors.torch import save_file

    state = rrdb()
    named = {"".join(prefixes) + key: value for key, value in state.items()}
    path = tmp_path / f"x.{suffix}"
    if suffix == "pth":
        torch.save(named, path)
    else:
        save_file(named, path)
    assert read_header(path).architecture == "rrdb"
    loaded = load_model(path)
    assert all(torch.equal(loaded.model.state_dict()[key], value) for key, value in state.items())


def test_tables_in_tables_and_flattened_ones_give_the_averaged_network(tmp_path):
    from safetensors.torch import save_file

    state = rrdb()
    other = {key: torch.zeros_like(value) for key, value in state.items()}
    nested = {"epoch": 3, "state_dict": {"params": other, "params_ema": {f"module.{k}": v for k, v in state.items()}}}
    torch.save(nested, tmp_path / "nested.pth")
    flat = {f"params.{key}": value for key, value in other.items()}
    flat |= {f"params_ema.{key}": value for key, value in state.items()}
    save_file(flat, tmp_path / "flat.safetensors")
    gan = {f"net_g._orig_mod.{key}": value for key, value in state.items()} | {"net_d.conv.weight": torch.zeros(3, 3)}
    save_file(gan, tmp_path / "gan.safetensors")
    compiled = {key.replace("body.", "body._orig_mod."): value for key, value in state.items()}
    torch.save(compiled, tmp_path / "compiled.pth")
    for name in ("nested.pth", "flat.safetensors", "gan.safetensors", "compiled.pth"):
        loaded = load_model(tmp_path / name).model.state_dict()
        assert all(torch.equal(loaded[key], value) for key, value in state.items()), name


def test_prefixes_are_removed_from_taggers_and_from_what_spandrel_gets(tmp_path):
    from sample_foreign import write_foreign

    write_tagger(tmp_path / "t.pth", "module.")
    assert load_model(tmp_path / "t.pth").header.architecture == "mobilenetv3_small"
    path = write_foreign(tmp_path, "esrgan_plus.pth")
    state = torch.load(path, weights_only=True)["params"]
    torch.save({f"generator._orig_mod.{key}": value for key, value in state.items()}, path)
    assert read_header(path).architecture == "spandrel/ESRGAN"
    assert isinstance(load_model(path), UpscaleModel)


# --- properties, with kept seeds

LIMITS = settings(
    max_examples=40,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
HEADERS = [json.loads(model.header.to_json()) for model in (small_model("rrdb"), small_tagger())]
SIZE = st.one_of(st.integers(-2, 5), st.integers(0, 2**70), st.floats(), st.booleans(), st.none())
ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.one_of(st.sampled_from(["F32", "F16", "I64", "BOOL", "F8_E4M3", "F4"]), SIZE),
        "shape": st.one_of(st.lists(SIZE, max_size=4), SIZE),
        "data_offsets": st.one_of(st.lists(SIZE, max_size=3), SIZE),
    },
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)


def read_or_refused(path: Path) -> None:
    found = []
    if message := refusal(lambda: found.append(read_vocabulary(path))):
        assert path.name in message
    assert all(len(set(vocabulary.names)) == len(vocabulary) > 0 for vocabulary in found)


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()


@LIMITS
@given(st.one_of(st.binary(max_size=60), st.dictionaries(st.text(max_size=6), ENTRY, max_size=3).map(as_json)))
@example(as_json({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}))
@example(as_json({"a": {"dtype": "F32", "shape": [0, 2**62, 2**62], "data_offsets": [8, 8]}}))
def test_any_index_is_read_or_refused(raw):
    found = []
    if message := refusal(lambda: found.append(parse_safetensors_header(raw, 8))):
        assert message.isprintable()
    for _, state in found:
        assert all(value.numel() * value.element_size() <= 8 for value in state.values())


def read_header_or_refused(text: str) -> None:
    found: list[Header] = []
    message = refusal(lambda: found.append(Header.from_json(text)))
    assert message.isprintable()
    assert len(message) < 1000
    for header in found:
        assert Header.from_json(header.to_json()) == header


@LIMITS
@given(st.one_of(st.text(), JSON.map(json.dumps)))
@example("")
@example("[" * 100_000)
@example('{"format": 1' + "0" * 5000 + "}")
@example('{"format": 1, "format": true}')
def test_any_text_as_a_header_is_read_or_refused(text):
    read_header_or_refused(text)


@LIMITS
@given(st.sampled_from(HEADERS), st.one_of(JSON, st.integers(-(10**400), 10**400)), st.data())
def test_a_header_with_anything_in_one_place_is_read_or_refused(header, value, data):
    header = copy.deepcopy(header)
    tables = [header, *(table for table in header.values() if isinstance(table, dict))]
    there = data.draw(st.sampled_from(tables))
    there[data.draw(st.one_of(st.sampled_from([*there]), st.text(max_size=5)))] = value
    read_header_or_refused(json.dumps(header))


@LIMITS
@given(
    st.dictionaries(
        st.sampled_from(["architecture", "pretrained_cfg", "size", "mean", "std", "eps", "padding", "order", "resize"]),
        st.one_of(JSON, st.lists(st.integers(-(10**400), 10**400), min_size=3, max_size=3)),
    )
)
@example({"pretrained_cfg": {"input_size": [3, 10**9, 10**9]}})
def test_any_settings_are_read_or_refused(tmp_path, table):
    (tmp_path / "x.config.json").write_bytes(as_json(table))
    found = []
    assert len(refusal(lambda: found.append(settings_beside(tmp_path / "x.pth")))) < 1000
    for _, preprocessing in found:
        assert 32 <= preprocessing.size <= 4096
        assert all(-1e6 < value < 1e6 for value in (*preprocessing.mean, *preprocessing.std))


CELLS = st.one_of(st.text(string.printable, max_size=8), st.sampled_from(["0", "4", "9", "٣", "9" * 4500, "general"]))


@LIMITS
@given(st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=4), st.sampled_from(["name,category\n", ""]))
@example([["a", "0"], ["a", "0"]], "name,category\n")
@example([["a"]], "name,category\n")
def test_any_table_of_tags_is_read_or_refused(tmp_path, rows, title):
    (tmp_path / "x.csv").write_text(title + "\n".join(",".join(row) for row in rows), encoding="utf-8")
    read_or_refused(tmp_path / "x.csv")


@LIMITS
@given(JSON)
@example({"9" * 4500: "a"})
@example([[0, "a", "4"], [1, "b", 9]])
def test_any_list_of_tags_is_read_or_refused(tmp_path, table):
    (tmp_path / "x.json").write_bytes(as_json(table))
    read_or_refused(tmp_path / "x.json")
