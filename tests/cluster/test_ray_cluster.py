"""`senga upscale|tag|degrade --cluster` on several hosts with Ray nodes of their own.

Run by `pytest -m cluster`; each driver is a process on the first host.
"""

import os
import resource
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest
from PIL import Image
from sample_cluster import PORT, Host, are_there, join, ray_hosts, s3_server, until
from sample_nodes import MADE
from sample_taggers import known_tagger
from sample_units import contents, draw
from senga.arch import UpscaleModel, save_model
from senga.headless.cli import FAILED, INTERRUPTED, OK, USAGE

pytest.importorskip("ray.data", reason='needs the extra "cluster"')
pytest.importorskip("moto", reason="needs moto[server]")
parquet = pytest.importorskip("pyarrow.parquet")
pytestmark = pytest.mark.cluster

COUNT = 12
MANY = int(os.environ.get("SENGA_CLUSTER_PICTURES", "320"))  # 20000 for the whole proof, which takes long
PART = MANY // 40  # after which the driver's memory is read
GROWTH = 16  # MB of the driver between a quarter and the end
MODELS = {"upscale": ["--model", f"models/{MADE}", "--precision", "fp32"], "tag": ["--model", "t.safetensors"]}
ENDINGS = {"upscale": "png", "tag": "txt", "degrade": "png"}


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
    out, said = process.communicate(timeout=400)
    return process.returncode, out, said


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


STORE = """
import os, sys
from pyarrow import fs
here, there, way = sys.argv[1:]
scheme, _, address = os.environ["AWS_ENDPOINT_URL"].rpartition("://")
s3 = fs.S3FileSystem(allow_bucket_creation=True, endpoint_override=address, scheme=scheme)
s3.create_dir("store")
if way == "back":
    fs.copy_files(there, here, source_filesystem=s3)
else:
    fs.copy_files(here, there, destination_filesystem=s3)
"""


def copy(host: Host, folder: Path, there: str, way: str) -> None:
    process = host.start(sys.executable, "-c", STORE, str(folder), there, way)
    assert process.wait(timeout=200) == 0, process.communicate()[1]


def test_pictures_of_an_s3_store_become_those_of_a_disk(cluster: list[Host], shared: Path) -> None:
    """The server is on the first host; the others reach it over the network, by AWS_ENDPOINT_URL."""
    head = cluster[0]
    with s3_server(head):
        copy(head, shared / "album", "store/album", "there")
        assert run(head, shared, "degrade", "album", "-o", "here/", cluster=False)[0] == OK
        code, out, said = run(head, shared, "degrade", "s3://store/album", "-o", "s3://store/out")
        assert code == OK, said
        assert len(out.splitlines()) == COUNT
        copy(head, shared / "back", "store/out", "back")
        assert contents(shared / "back") == contents(shared / "here")
        code, out, said = run(head, shared, "degrade", "s3://store/album", "-o", "s3://store/out")
        assert (code, out) == (OK, "")
        assert f"{COUNT} pictures: 0 done, {COUNT} skipped, 0 failed" in said


def test_shards_go_in_and_tags_come_out_in_columns(cluster: list[Host], shared: Path) -> None:
    with tarfile.open(shared / "album.tar", "w") as tar:
        tar.add(shared / "album", arcname="")
    call = ["tag", "album.tar", *MODELS["tag"], "-o", "columns/", "--shards", "parquet"]
    code, out, said = run(cluster[0], shared, *call)
    assert code == OK, said
    (name,) = out.splitlines()
    rows = parquet.read_table(shared / name).to_pylist()
    assert len(rows) == COUNT
    assert run(cluster[0], shared, "tag", "album", *MODELS["tag"], "-o", "texts/", cluster=False)[0] == OK
    for row in rows:
        text = (shared / "texts" / row["name"].removeprefix("album/")).with_suffix(".txt").read_text()
        assert row["tags"] == text.rstrip("\n")
    (shared / "columns" / "senga_old.parquet").write_bytes(b"")
    _, _, said = run(cluster[0], shared, *call)
    assert f"{COUNT} pictures: 0 done, {COUNT} skipped, 0 failed" in said
    assert "columns: 1 shard of earlier calls, for other pictures" in said
    assert "(senga_old.parquet)" in said


def test_what_is_not_there_is_one_sentence(cluster: list[Host], shared: Path) -> None:
    code, _, said = run(cluster[0], shared, "degrade", "nowhere", "-o", "none/")
    assert (code, said) == (USAGE, "senga: nowhere: there is no such file or folder; check the name\n")


@pytest.fixture(scope="module")
def many(shared: Path) -> Path:
    for number in range(MANY):
        draw(shared / "many" / f"{number % 8}" / f"{number}.png", number, side=96 if MANY < 1000 else 32)
    return shared / "many"


class Watched:
    """What a driver has written, and its memory on the way."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self.mb: list[float] = []
        self.reading = Thread(target=self.read, daemon=True)
        self.reading.start()

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if len(self.lines) % PART == 0:
                pages = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()[1]
                self.mb.append(int(pages) * resource.getpagesize() / 1e6)

    def end(self) -> str:
        """The error stream, when the process has ended."""
        assert self.process.stderr is not None
        said = self.process.stderr.read()
        self.process.wait(timeout=200)
        self.reading.join()
        return said


def test_ctrl_c_leaves_whole_files_alone(cluster: list[Host], shared: Path, many: Path) -> None:
    process = begin(cluster[0], shared, "degrade", "many", "-o", "stopped/", "--preset", "realesrgan")
    until(lambda: len(list((shared / "stopped").rglob("*.png"))) > 5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=200)
    assert process.returncode == INTERRUPTED, said
    assert said.splitlines()[-1] == "senga: interrupted"
    assert "Traceback" not in said
    found = contents(shared / "stopped")
    assert 5 < len(found) < MANY
    assert all(name.endswith(".png") for name in found)
    assert not list((shared / "stopped").rglob("*.tmp"))
    for path in (shared / "stopped").rglob("*.png"):
        with Image.open(path) as picture:
            picture.load()


def test_a_host_that_dies_in_the_middle_loses_nothing(
    cluster: list[Host], shared: Path, many: Path, record_property: Callable[[str, object], None]
) -> None:
    head, _, other = cluster
    watched = Watched(begin(head, shared, "degrade", "many", "-o", "killed/", "--preset", "realesrgan"))
    until(lambda: len(watched.lines) > MANY // 4, seconds=MANY)
    other.kill()
    said = watched.end()
    record_property("said", said)
    record_property("driver MB", watched.mb)
    assert watched.process.returncode == OK, said
    assert f"{MANY} pictures: " in said
    assert "0 failed" in said
    found = contents(shared / "killed")
    assert len(found) == MANY
    assert len(set(watched.lines)) == len(watched.lines)  # no result is reported twice
    quarter = len(watched.mb) // 4
    assert max(watched.mb[quarter:]) - watched.mb[quarter] < GROWTH


def test_where_a_host_has_a_gpu_it_works_alone(cluster: list[Host], shared: Path) -> None:
    """The host that was lost joins again with one, as it tells Ray."""
    head, _, other = cluster
    assert are_there(head, 2)
    join(head, other, 3, "--num-gpus", "1")
    code, _, said = run(head, shared, "upscale", "album", *MODELS["upscale"], "-o", "gpu/")
    assert code == OK, said
    assert "1 worker on 3 machines" in said
    assert f"{COUNT} pictures: {COUNT} done, 0 skipped, 0 failed" in said
    code, _, said = run(head, shared, "upscale", "album", *MODELS["upscale"], "-o", "gpu/", "--device", "cpu")
    assert "2 workers on 3 machines" in said
