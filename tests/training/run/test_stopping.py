"""A run that a signal ends loses no step, says how to go on, and ends later with the same bits."""

import signal

import pytest
from sample_picture_sets import make_set
from sample_runs import checkpoint, equal, tiny_config
from senga.headless.cli import main
from senga.training.run.ema import EMA
from senga.training.run.stopping import StopSignals


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setattr("senga.training.sr.validation.scores.ssimulacra2", lambda image, reference: [50.0] * len(image))
    art = tmp_path / "art"
    art.mkdir()
    return tiny_config(tmp_path, make_set(art))


@pytest.mark.parametrize(("number", "by", "code"), [(signal.SIGINT, "Ctrl-C", 130), (signal.SIGTERM, "SIGTERM", 143)])
def test_a_signal_ends_a_run_after_its_step_and_a_checkpoint(number, by, code, config, tmp_path, monkeypatch, caplog):
    before = signal.getsignal(number)  # ignored where the tests run in the background of a shell
    whole = ["train", "sr", str(config), "--set", "name=whole"]
    assert main(whole) == 0
    update, steps = EMA.update, []

    def signalled(self, net, step):
        steps.append(step)
        if step == 3:
            signal.raise_signal(number)
        update(self, net, step)

    monkeypatch.setattr(EMA, "update", signalled)
    assert main(["train", "sr", str(config)]) == code
    folder = tmp_path / "runs" / "tiny"
    assert steps == [0, 1, 2, 3]
    assert checkpoint(folder, 4)["step"] == 4  # save_every is 3
    assert f"tiny: stopped by {by} at step 4 of 6, which is saved; to go on: senga train sr {config}" in caplog.text
    monkeypatch.setattr(EMA, "update", update)
    assert main(["train", "sr", str(config)]) == 0
    for part in ("net", "average", "optimiser_0", "running"):
        assert equal(checkpoint(folder, 6)[part], checkpoint(tmp_path / "runs" / "whole", 6)[part])
    assert signal.getsignal(number) == before


def test_a_second_ctrl_c_interrupts_at_once():
    with StopSignals() as signals:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert signals.received == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
