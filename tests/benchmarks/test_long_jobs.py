"""The benchmarks of start-up, of waiting in folder jobs and of memory, with small numbers."""

from pathlib import Path

import pytest
from senga.arch import UpscaleModel, save_model
from senga.benchmarks import folder_jobs, memory, startup  # pyright: ignore[reportMissingImports]


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


@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="memory is read from Linux's /proc")
def test_memory_is_read_while_a_job_runs(tmp_path: Path) -> None:
    hold = "import time, sys; sys.stderr.write('ready\\n'); sys.stderr.flush(); time.sleep(0.4)"
    rise = "held = bytearray(50_000_000); time.sleep(0.4)"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "START", hold)
        curve = memory.measure(f"\n{rise}", tmp_path)
        assert max(curve.mb) - curve.mb[0] > 45
        assert curve.seconds == sorted(curve.seconds)
        with pytest.raises(SystemExit, match="a job ended with 3"):
            memory.measure("\nsys.exit(3)", tmp_path)


def test_growth_is_what_comes_after_a_tenth() -> None:
    seconds = [0.1 * number for number in range(20)]
    assert memory.Curve(seconds, [100.0, 150.0] + [120.0] * 17 + [153.0]).growth == 3
    assert memory.Curve([0.0], [100.0]).growth == 0


def test_every_job_of_the_memory_benchmark_is_python(tmp_path: Path) -> None:
    args = memory.read_arguments(["--pictures", "2", "--frames", "2", "--width", "600"])
    for job in memory.JOBS:
        folder = tmp_path / job.name
        folder.mkdir()
        compile(memory.START + job.prepare(folder, args), job.name, "exec")
        assert job.title.format(**vars(args))
