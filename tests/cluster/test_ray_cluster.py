"""`senga upscale|tag|degrade --cluster` on several hosts with Ray nodes of their own.

Run by `pytest -m cluster`; each driver is a process on the first host.
"""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sample_cluster import PORT, Host, join, ray_hosts, until, wait_for
from sample_nodes import MADE
from sample_taggers import known_tagger
from senga.arch import UpscaleModel, save_model
from senga.headless.cli import FAILED, INTERRUPTED, OK, USAGE

pytest.importorskip("ray.data", reason='needs the extra "cluster"')
pytestmark = pytest.mark.cluster

COUNT = 12
MODELS = {"upscale": ["--model", f"models/{MADE}", "--precision", "fp32"], "tag": ["--model", "t.safetensors"]}
ENDINGS = {"upscale": "png", "tag": "txt", "degrade": "png"}


def draw(path: Path, seed: int, side: int = 24) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)).save(path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared storage of the hosts."""
    folder = tmp_path_factory.mktemp("shared")
    (folder / "models").mkdir()
    save_model(folder / "models" / MADE, UpscaleModel.create("espcn_7", scale=2, widths=[4, 4]))
    save_model(folder / "t.safetensors", known_tagger([0.5, 0.95, 0.55, 0.9, 0.75, 0.97, 0.7, 0.2, 0.1]))
    for number in range(COUNT):
        draw(folder / "album" / ("", "sub", "sub/deep")[number % 3] / f"{number}.png", number)
    return folder


@pytest.fixture(scope="module")
def cluster() -> Iterator[list[Host]]:
    with ray_hosts(2) as found:
        yield found


def begin(host: Host, folder: Path, *words: str, cluster: bool = True) -> subprocess.Popen[str]:
    where = ["--cluster", f"{host.address}:{PORT}"] if cluster else []
    return host.start(sys.executable, "-m", "senga.headless", *words, *where, cwd=folder)


def run(host: Host, folder: Path, *words: str, cluster: bool = True) -> tuple[int, str, str]:
    process = begin(host, folder, *words, cluster=cluster)
    out, said = process.communicate(timeout=150)
    return process.returncode, out, said


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("command", ["upscale", "tag", "degrade"])
def test_two_hosts_make_the_bytes_of_one_and_both_know_what_is_done(
    cluster: list[Host], shared: Path, command: str
) -> None:
    head = cluster[0]
    call = [command, "album", *MODELS.get(command, [])]
    code, one, said = run(head, shared, *call, "-o", f"{command}_one/", cluster=False)
    assert code == OK, said
    code, many, said = run(head, shared, *call, "-o", f"{command}_many/", "--cluster-cpus", "1")
    assert code == OK, said
    assert "2 workers on 3 machines" in said
    assert f"{COUNT} pictures: {COUNT} done, 0 skipped, 0 failed" in said
    found = contents(shared / f"{command}_many")
    assert len(found) == COUNT
    assert found == contents(shared / f"{command}_one")
    assert sorted(many.replace("_many", "_one").splitlines()) == sorted(one.splitlines())
    code, out, said = run(head, shared, *call, "-o", f"{command}_many/", cluster=False)
    assert (code, out) == (OK, "")
    assert f"{COUNT} of {COUNT} skipped" in said


def test_a_second_run_skips_what_is_done_and_lists_bad_files(cluster: list[Host], shared: Path) -> None:
    for number in range(3):
        draw(shared / "more" / f"{number}.png", number)
    assert run(cluster[0], shared, "degrade", "more", "-o", "again/")[0] == OK
    (shared / "again" / "1.png").unlink()
    (shared / "more" / "bad.png").write_text("no picture")
    code, out, said = run(cluster[0], shared, "degrade", "more", "-o", "again/")
    assert code == FAILED
    assert out == "again/1.png\n"
    assert "4 pictures: 1 done, 2 skipped, 1 failed" in said
    (line,) = (shared / "again" / "senga_failed.jsonl").read_text().splitlines()
    assert "more/bad.png: not a picture" in line


def test_a_list_of_files_and_a_pattern_are_taken(cluster: list[Host], shared: Path) -> None:
    (shared / "list.txt").write_text("album/0.png\nalbum/sub/1.png\n")
    code, out, said = run(cluster[0], shared, "degrade", "@list.txt", "album/sub/deep/*.png", "-o", "listed/")
    assert code == OK, said
    names = {"album/0.png", "album/sub/1.png", "2.png", "5.png", "8.png", "11.png"}
    assert set(contents(shared / "listed")) == names
    assert len(out.splitlines()) == len(names)


def test_what_is_not_there_is_one_sentence(cluster: list[Host], shared: Path) -> None:
    code, _, said = run(cluster[0], shared, "degrade", "nowhere", "-o", "none/")
    assert (code, said) == (USAGE, "senga: nowhere: there is no such file or folder; check the name\n")


@pytest.fixture(scope="module")
def many(shared: Path) -> Path:
    for number in range(40 * 8):
        draw(shared / "many" / f"{number % 8}" / f"{number}.png", number, side=96)
    return shared / "many"


def test_ctrl_c_leaves_whole_files_alone(cluster: list[Host], shared: Path, many: Path) -> None:
    process = begin(cluster[0], shared, "degrade", "many", "-o", "stopped/", "--preset", "realesrgan")
    until(lambda: len(list((shared / "stopped").rglob("*.png"))) > 5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED, said
    assert said.splitlines()[-1] == "senga: interrupted"
    assert "Traceback" not in said
    found = contents(shared / "stopped")
    assert 5 < len(found) < 320
    assert all(name.endswith(".png") for name in found)
    assert not list((shared / "stopped").rglob("*.tmp"))
    for path in (shared / "stopped").rglob("*.png"):
        with Image.open(path) as picture:
            picture.load()


def test_a_host_that_dies_in_the_middle_loses_nothing(cluster: list[Host], shared: Path, many: Path) -> None:
    """The last test of the file: the host joins again afterwards."""
    head, _, other = cluster
    process = begin(head, shared, "degrade", "many", "-o", "killed/", "--preset", "realesrgan")
    until(lambda: len(list((shared / "killed").rglob("*.png"))) > 40)
    other.kill()
    out, said = process.communicate(timeout=150)
    assert process.returncode == OK, said
    assert "0 failed" in said
    found = contents(shared / "killed")
    assert len(found) == 320
    assert len(set(out.splitlines())) == len(out.splitlines())  # no result is reported twice
    shutil.rmtree(shared / "killed")
    join(head, other)
    wait_for(head, 3)
