"""How `--cluster` reaches Ray, what workers take of machines, and what is counted and reported; without Ray."""

import io
import json
import logging
import socket
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from senga.headless.cli import FAILED, main
from senga.headless.cluster.engine import Share, check_answers, connected, innermost, rest
from senga.headless.cluster.tally import Report, Tally
from senga.headless.cluster.units import Outcome
from senga.headless.errors import SengaError, UsageError
from senga.headless.progress import ProgressLine
from tqdm import tqdm


@pytest.fixture(autouse=True)
def album(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("album").mkdir()


def test_workers_take_what_machines_have() -> None:
    cpus: list[dict[str, float]] = [{"CPU": 8.0}, {"CPU": 2.0}, {}]
    share = Share.of(cpus, None, network=True, gpu=True)
    assert (share, share.workers(cpus)) == (Share(2, 0), 5)
    assert Share.of(cpus, None, network=False, gpu=True) == Share(1, 0)
    gpus: list[dict[str, float]] = [{"CPU": 8.0, "GPU": 2.0}, {"CPU": 2.0}]
    share = Share.of(gpus, None, network=True, gpu=True)
    assert (share, share.workers(gpus)) == (Share(1, 1), 2)
    assert Share.of(gpus, None, network=True, gpu=False) == Share(2, 0)
    with pytest.raises(UsageError, match="--cluster-cpus 9: no machine that can work has more than 8"):
        Share.of(cpus, 9, network=True, gpu=True)
    small: list[dict[str, float]] = [{"CPU": 2.0, "GPU": 1.0}, {"CPU": 8.0}]  # the large one is left out
    with pytest.raises(UsageError, match="--cluster-cpus 4: no machine that can work has more than 2"):
        Share.of(small, 4, network=True, gpu=True)
    assert Share.of(small, 4, network=True, gpu=False) == Share(4, 0)
    with pytest.raises(SengaError, match="no machine of the cluster has CPUs to work with"):
        Share.of([{}, {"GPU": 1.0}], None, network=True, gpu=True)


def test_progress_names_rate_and_rest() -> None:
    assert rest(10, 5.0, None) == "10 pictures, 2.0/s"
    assert rest(10, 5.0, 10 + 2 * 3725) == "10/7460 pictures, 2.0/s, 1:02:05 left"


def test_without_ray_one_sentence_says_how_it_is_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["degrade", "album", "-o", "new/", "--cluster", "local"]) == FAILED
    said = 'senga: --cluster: needs ray, which is not installed; pip install -c constraints.txt ".[cluster]"\n'
    assert capsys.readouterr().err == said


def test_where_no_cluster_answers_one_sentence_says_so_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as unused:  # bound, and not listening
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        monkeypatch.setitem(sys.modules, "ray", None)  # it is not asked
        for where in (address, f"ray://{address}"):
            assert main(["degrade", "album", "-o", "new/", "--cluster", where]) == FAILED
            said = capsys.readouterr().err
            assert said.startswith(f"senga: --cluster {where}: Ray cannot be reached there ([Errno ")
            assert said.endswith("give its address as HOST:6379, or use `--cluster local`\n")
        assert main(["degrade", "album", "-o", "new/", "--cluster", "127.0.0.1"]) == FAILED
        assert "Ray cannot be reached there (expected HOST:PORT)" in capsys.readouterr().err


def test_of_an_error_of_ray_the_last_cause_is_said() -> None:
    text = (
        "The actor died because of an error raised in its creation task, ray::MapWorker.__init__() (pid=14201)\n"
        "  At least one of the input arguments for this task could not be computed:\n"
        "ray.exceptions.RaySystemError: System error: No module named 'senga'\ntraceback: Traceback (most recent):\n"
        "           ^^^^^\nModuleNotFoundError: No module named 'senga'\n"
    )
    assert innermost(text) == "ModuleNotFoundError: No module named 'senga'"
    assert innermost("The head is\ngone") == "The head is gone"


class Gone(Exception):
    """As Ray's own errors, which are not OSErrors or RuntimeErrors."""


class NoRay(ModuleType):
    """In place of Ray, for what is around it."""

    exceptions = SimpleNamespace(RayError=Gone)

    def __init__(self, fault: Exception | None) -> None:
        super().__init__("ray")
        self.fault, self.folder, self.ended = fault, Path(), False

    def init(self, _temp_dir: str, **_: object) -> None:
        self.folder = Path(_temp_dir)
        assert self.folder.is_dir()
        if self.fault:
            raise self.fault

    def shutdown(self) -> None:
        self.ended = True


@pytest.mark.parametrize("begins", [False, True])
def test_what_ray_raises_is_a_sentence_and_its_folder_goes(monkeypatch: pytest.MonkeyPatch, begins: bool) -> None:
    ray = NoRay(None if begins else Gone("no token"))
    for name, module in (("ray", ray), ("ray.data", ModuleType("ray.data"))):
        monkeypatch.setitem(sys.modules, name, module)
    said = (
        r"Ray cannot go on \(ModuleNotFoundError: No module named 'senga'\); each machine needs the same versions"
        if begins
        else r"Ray cannot begin \(no token\); free memory, or leave --cluster out"
    )
    with pytest.raises(SengaError, match=f"--cluster local: {said}"), connected("local"):
        raise Gone("The actor died\nModuleNotFoundError: No module named 'senga'")
    assert ray.ended == begins
    assert ray.folder.name
    assert not ray.folder.exists()


def test_a_cluster_that_listens_is_tried_by_ray() -> None:
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "[::1]")):
        with socket.socket(family) as head:
            try:
                head.bind((host.strip("[]"), 0))
            except OSError:  # a machine without IPv6
                continue
            head.listen()
            check_answers(f"{host}:{head.getsockname()[1]}")


class Lines(ProgressLine):
    """Results alone."""

    def __init__(self) -> None:
        super().__init__(tqdm(disable=True))


def test_what_is_counted_what_failed_and_what_is_lost_is_said_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    counts = iter([None, None, 10])
    written = io.StringIO()
    with Report(Path("new")) as report, caplog.at_level("INFO", logger="senga"):
        tally = Tally(Lines(), lambda: next(counts), report, written)
        tally.add(Outcome(pictures=3, done=2, skipped=1, results=["new/a.png", "new/b.png"], shard="s.tar"))
        failed = [("\udcff.png", "\udcff.png: is damaged")]
        tally.add(Outcome(pictures=4, done=3, replaced=1, failed=failed, said=[(logging.WARNING, "a remark")]))
        assert tally.end() == FAILED
    assert written.getvalue() == "new/a.png\nnew/b.png\n"
    assert tally.shards == {"s.tar"}
    said = [record.getMessage() for record in caplog.records]
    assert said[0] == "a remark"
    assert said[1].startswith("10 pictures: 5 done (1 replaced), 1 skipped, 1 failed in ")
    assert said[2] == "3 pictures lost with workers that ended again and again, for want of memory?"
    assert said[3] == "1 picture failed; see new/senga_failed.jsonl for names and reasons"
    (line,) = Path("new/senga_failed.jsonl").read_text().splitlines()
    assert json.loads(line) == {"file": "\udcff.png", "error": "\udcff.png: is damaged"}
    with Report(Path("new")):  # of the next run
        assert not Path("new/senga_failed.jsonl").exists()


def test_a_machine_that_cannot_work_ends_the_command_and_no_picture_is_a_wrong_call() -> None:
    with Report(Path("new")) as report:
        tally = Tally(Lines(), lambda: 0, report, io.StringIO())
        with pytest.raises(SengaError, match="the model is another file there"):
            tally.add(Outcome(pictures=1, fault="the model is another file there"))
        with pytest.raises(UsageError, match="no picture was found"):
            Tally(Lines(), lambda: 0, report, io.StringIO()).end()
