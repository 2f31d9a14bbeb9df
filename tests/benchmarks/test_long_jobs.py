"""The benchmarks of start-up, of waiting in folder jobs and of memory, with small numbers."""

from pathlib import Path

import pytest
from senga.arch import UpscaleModel, save_model
from senga.benchmarks import folder_jobs, startup  # pyright: ignore[reportMissingImports]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    save_model(tmp_path / "small.safetensors", UpscaleModel.create("espcn_7", scale=2, widths=[4, 4]))
    return tmp_path / "small.safetensors"


def test_the_share_of_waiting_is_printed_for_each_format(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--pictures", "3", "--side", "24", "--formats", "png", "jpeg", "--model", str(model)]
    assert folder_jobs.main(options) == 0
    _, head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[0] == "format"
    assert [row.split()[0] for row in rows] == ["png", "jpeg"]
    for row in rows:
        *_, reading, writing, total = (float(value.rstrip("%")) for value in row.split()[1:])
        assert 0 < total <= 100
        assert total == pytest.approx(reading + writing, abs=0.11)


def test_a_job_that_fails_ends_the_benchmark(model: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(b"no picture")
    with pytest.raises(SystemExit, match="ended with 1"):
        folder_jobs.run(tmp_path / "in", tmp_path / "out", "png", model)


def test_a_time_is_measured_in_another_process() -> None:
    clock, cpu = startup.measure("begin = now()\nsum(range(200_000))\nreport(begin)")
    assert cpu > 0
    assert clock > 0
    with pytest.raises(SystemExit, match="a process ended with 3"):
        startup.measure("sys.exit(3)")


def test_every_case_of_start_up_is_python_that_reports_once(tmp_path: Path) -> None:
    for case in startup.cases(tmp_path):
        compile(startup.CLOCK + case.code, case.name, "exec")
        assert case.code.count("report(begin)") == 1
