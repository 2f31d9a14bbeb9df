"""What a user may get wrong in a training's settings is said in a sentence, early, or does no harm."""

import re
from pathlib import Path

import pytest
import torch
from sample_picture_sets import drawing
from sample_runs import checkpoint, equal
from senga.arch import SengaError, UpscaleModel, load_model, read_header, save_model
from senga.headless.cli import main
from senga.training.datasets.procedural import kind_names
from senga.training.model_card import WEIGHTS
from senga.training.run import run_folder
from senga.training.run.settings import read_settings
from senga.training.sr import train as sr
from senga.training.sr.settings import Settings

pytestmark = pytest.mark.usefixtures("quick_scores")


def settings(config: Path, *changes: str) -> Settings:
    return read_settings(Settings, config, list(changes))


def test_a_table_with_braces_on_the_command_line_comes_back_in_the_report(config, tmp_path):
    assert main(["train", "sr", str(config), "--set", "loss.weights={charbonnier=1.0, l1 = 0.5}"]) == 0
    page = (tmp_path / "runs" / "tiny" / "report.md").read_text()
    command = f"senga train sr {config.as_posix()} --set 'loss.weights={{charbonnier=1.0, l1 = 0.5}}'"
    assert f"{command} --export 6  # the weights of a checkpoint" in page.splitlines()
    assert f"{command} --export best  # the weights that were best in a validation" in page.splitlines()


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("run.conditions=[]", "run.conditions is []; expected one damage or more"),
        ("optim.warmup=-1", "optim.warmup is -1; expected 0 or more"),
        ("optim.weight_decay=-0.1", "optim.weight_decay is -0.1; expected 0 or more"),
        ("optim.decay=-0.1", "optim.decay is -0.1; expected 0 to 1"),
        ("optim.learning_rate=nan", "learning_rate is nan; expected a finite number"),
        ("data.shares={a=inf}", "shares.a is inf; expected a finite number"),
    ],
)
def test_values_that_cannot_be_are_named(override, words, config):
    with pytest.raises(SengaError, match=re.escape(words)):
        settings(config, override)


def test_shares_that_leave_no_source_are_named(config):
    with pytest.raises(SengaError, match=r"every source of .* has 0; give one of a, b a share above 0"):
        sr.train(settings(config, "data.shares={a=0, b=0.0}"), "test")


def test_kinds_that_leave_no_drawing_are_named(config):
    none = "{" + ", ".join(f"{name} = 0" for name in kind_names()) + "}"
    with pytest.raises(SengaError, match=r"data\.kinds is .*; expected weights of 0 or more, not all kinds 0"):
        settings(config, "data.procedural=0.5", f"data.kinds={none}")
    settings(config, f"data.kinds={none}")  # nothing is drawn


def test_a_missing_folder_for_temporary_files_is_named_before_any_picture_is_looked_at(config, monkeypatch):
    def nowhere() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/gone']")

    monkeypatch.setattr(run_folder.tempfile, "gettempdir", nowhere)
    with pytest.raises(SengaError, match=r"no folder for temporary files .*/gone.*; set TMPDIR"):
        sr.train(settings(config, "data.folder=nowhere"), "test")


def test_a_missing_scorer_is_named_before_any_picture_is_looked_at(config, monkeypatch):
    monkeypatch.setattr("senga.training.sr.validation.metrics.find_spec", lambda name: None)
    with pytest.raises(SengaError, match="the package ssimulacra2, which is not installed"):
        sr.train(settings(config, "data.folder=nowhere"), "test")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("val.folder=gone", "val.folder: gone: the folder does not exist; name a folder of pictures"),
        ("val.folder=tiny.toml", "val.folder: tiny.toml: is a file; expected a folder"),
        ("val.sets={anime='gone'}", "val.sets.anime: gone: the folder does not exist"),
        ("val.pairs=[{lr='.', hr='gone'}]", "val.pairs: gone: the folder does not exist"),
        ("val.pairs=[{lr='gone-*.tar', hr='.'}]", "val.pairs: gone-*.tar: there is no such shard"),
        ("data.pairs=[{lr='gone', hr='.'}]", "data.pairs: gone: the folder does not exist"),
        ("data.pairs=[{lr='.', hr='gone.tar'}]", "data.pairs: gone.tar: there is no such shard"),
    ],
)
def test_missing_folders_and_shards_are_named_before_any_picture_is_looked_at(override, words, config, monkeypatch):
    monkeypatch.chdir(config.parent)
    with pytest.raises(SengaError, match=re.escape(words)):
        sr.train(settings(config, "data.folder=nowhere", "data.pairs_share=0.5", override), "test")


class TestStartFrom:
    """All of it is said before pictures are looked at: data.folder is not there."""

    def start(self, config: Path, path: Path) -> None:
        sr.train(settings(config, f"model.start_from={path.as_posix()}", "data.folder=nowhere"), "test")

    def test_a_tagger_is_refused(self, config):
        with pytest.raises(SengaError, match=r"model\.start_from: senga_tagger_large\.safetensors: is a tagger"):
            self.start(config, WEIGHTS / "senga_tagger_large.safetensors")

    def test_a_file_of_which_nothing_fits_is_refused(self, config):
        with pytest.raises(SengaError, match=r"none of its \d+ tensors fits the \d+ of this network"):
            self.start(config, WEIGHTS / "senga_rrdb_6b_x4.safetensors")

    def test_what_a_deeper_file_has_too_much_is_counted(self, config, tmp_path, caplog):
        caplog.set_level("INFO")
        path = tmp_path / "deep.safetensors"
        save_model(path, UpscaleModel.create("rrdb", scale=2, blocks=3, features=8, growth=4))
        small = ("architecture=rrdb", "hyperparameters={scale=2, blocks=1, features=8, growth=4}")
        changes = [f"model.{one}" for one in small]
        with pytest.raises(SengaError, match="nowhere: there is no such folder"):
            sr.train(settings(config, *changes, f"model.start_from={path.as_posix()}", "data.folder=nowhere"), "test")
        assert "took over 42 of 42 tensors" in caplog.text
        assert "deep.safetensors: 60 tensors (body.1.rdb1.conv1.bias, " in caplog.text

    def test_what_a_file_does_not_have_is_counted(self, config, tmp_path, caplog):
        path = tmp_path / "four.safetensors"
        save_model(path, UpscaleModel.create("compact", scale=4, features=8, layers=1))
        with pytest.raises(SengaError, match="nowhere: there is no such folder"):
            self.start(config, path)
        assert "four.safetensors does not have 2 tensors" in caplog.text
        assert "2 tensors" in caplog.text.partition("are left over")[0]


def test_what_a_run_validates_under_may_change_while_it_goes_on(config, tmp_path, caplog):
    sr.train(settings(config), "test")
    again = ('run.conditions=["q50", "q95"]', "run.validation_crops=2", "run.save_every=1", "run.sheet_every=1")
    path = sr.train(settings(config, *again, "optim.steps=8"), "test")
    assert "the other scores are under clean up to step 6, then under q50" in caplog.text
    assert read_header(path).provenance.steps == 8
    lines = (path.parent / "curve.csv").read_text().splitlines()
    assert [line.partition(",")[0] for line in lines] == ["step", "2", "4", "6", "8"]
    assert "psnr_y_q95" in lines[0]
    assert path.parent.joinpath("best.pt").is_file()
    best = torch.load(path.parent / "best.pt", weights_only=True)
    assert (best["step"], best["of"].partition(":")[0]) == (8, "q50")  # scores under clean are not compared


def test_the_best_begins_anew_with_other_pictures_of_an_equal_count(config, tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        for number in range(2):
            drawing(200, number + 10 * (name == "other")).save(tmp_path / name / f"{number}.png")
    found = []
    for steps, folder in ((1, "one"), (2, "other")):
        names = f"val.folder={(tmp_path / folder).as_posix()}", f"optim.steps={steps}", "run.conditions=['q75']"
        path = sr.train(settings(config, *names, "run.save_every=2"), "test")
        best = path.with_name("best.pt")
        found.append(torch.load(best, weights_only=True)["of"])
        if folder == "one":  # no later score is higher than that
            torch.save(torch.load(best, weights_only=True) | {"score": 99.0}, best)
    assert found[0] != found[1]
    assert [one.rpartition(", ")[0] for one in found] == ["q75: 1 a, 1 b, 1 own"] * 2
    assert torch.load(best, weights_only=True)["score"] < 99


def test_the_best_weights_are_kept_and_exported(config, tmp_path, monkeypatch):
    scores = iter([20.0, 30.0, 25.0, 25.0])
    score_all = sr.score_all

    def scored(*arguments, **options):
        found, made = score_all(*arguments, **options)
        return found | {"psnr_y": next(scores)}, made

    monkeypatch.setattr(sr, "score_all", scored)
    sr.train(settings(config, "run.save_every=2", "optim.steps=5"), "test")
    folder = tmp_path / "runs" / "tiny"
    best = torch.load(folder / "best.pt", weights_only=True)
    assert (best["step"], best["score"]) == (4, 30.0)
    assert equal(best["average"], checkpoint(folder, 4)["average"])
    assert main(["train", "sr", str(config), "--export", "best"]) == 0
    found = folder / "tiny-best.safetensors"
    assert read_header(found).provenance.steps == 4
    assert equal(dict(load_model(found).model.state_dict()), dict(best["average"]))


def test_the_finished_weights_are_measured_on_as_many_crops_as_final_crops_says(config):
    found = {}
    for name, count in (("all", 0), ("few", 1)):
        path = sr.train(settings(config, f"name={name}", "optim.steps=1", f"run.final_crops={count}"), "test")
        found[name] = read_header(path).provenance, (path.parent / "report.md").read_text()
    for name, crops in (("all", "2 a, 1 b"), ("few", "1 a, 1 b")):
        provenance, page = found[name]
        assert f"validated on crops: {crops}; " in provenance.notes
        assert f"- validated on: {crops} crops, clean" in page.splitlines()
    assert found["all"][0].metrics["psnr_y_a"] != found["few"][0].metrics["psnr_y_a"]
    assert found["all"][0].metrics["psnr_y_b"] == found["few"][0].metrics["psnr_y_b"]


def test_there_is_no_best_before_a_validation_and_no_other_word(config, capsys):
    with pytest.raises(SengaError, match="has no best checkpoint yet; it is written at the first validation"):
        sr.train(settings(config), "test", export="best")
    with pytest.raises(SystemExit):
        sr.main([str(config), "--export", "last"])
    assert "'last' is not a step; expected the number of a checkpoint, or best" in capsys.readouterr().err
