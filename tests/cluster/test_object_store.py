"""Pictures and results in an S3 store, that of `moto` on this machine: what a worker does, without Ray."""

import io
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sample_units import counts, done, draw
from senga.headless.cli import OK, main
from senga.headless.cluster import places

pytest.importorskip("pyarrow.fs", reason='needs the extra "cluster"')
pytest.importorskip("moto", reason="needs moto[server]")
pytestmark = pytest.mark.cluster


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a bucket, and the folder in which its server keeps nothing."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for name, value in (("ACCESS_KEY_ID", "made"), ("SECRET_ACCESS_KEY", "made"), ("REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.chdir(tmp_path)
    places._system.cache_clear()
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        from pyarrow.fs import S3FileSystem

        S3FileSystem(allow_bucket_creation=True, endpoint_override=f"127.0.0.1:{port}", scheme="http").create_dir(
            "album"
        )
        yield "s3://album"
    finally:
        server.terminate()
        server.wait()


def test_pictures_of_a_store_become_those_of_a_folder_and_are_known_again(store: str) -> None:
    names = ("0.png", "sub/1.png", "sub/2.png")
    for number, name in enumerate(names):
        draw(Path("album", name), number, side=16)
        places.store(Path("album", name).read_bytes(), f"{store}/in/{name}")
    places.store(b"no picture", f"{store}/in/bad.png")
    assert main(["degrade", "album", "-o", "here/"]) == OK
    found = done("degrade", f"{store}/in", "-o", f"{store}/out")
    assert counts(found) == (3, 0, 1)
    assert sorted(text for outcome in found for text in outcome.results) == [f"{store}/out/{name}" for name in names]
    ((name, why),) = [failed for outcome in found for failed in outcome.failed]
    assert name == f"{store}/in/bad.png"
    assert why.startswith(f"{store}/in/bad.png: not a picture")
    for name in names:
        assert places.read(f"{store}/out/{name}") == Path("here", name).read_bytes()
    assert counts(done("degrade", f"{store}/in", "-o", f"{store}/out")) == (0, 3, 1)
    assert counts(done("degrade", f"{store}/in", "-o", f"{store}/out", "--seed", "9")) == (3, 0, 1)
    assert places.read(f"{store}/out/0.png") != Path("here/0.png").read_bytes()


def test_a_list_that_names_pictures_of_a_store_sees_that_one_has_changed(store: str) -> None:
    for number in range(2):
        draw(Path(f"{number}.png"), number, side=16 + number)
        places.store(Path(f"{number}.png").read_bytes(), f"{store}/in/{number}.png")
    Path("list.txt").write_text(f"{store}/in/0.png\n{store}/in/1.png\n")
    call = ["degrade", "@list.txt", "-o", f"{store}/out"]
    assert counts(done(*call)) == (2, 0, 0)
    assert counts(done(*call)) == (0, 2, 0)
    places.store(Path("1.png").read_bytes(), f"{store}/in/0.png")
    assert counts(done(*call)) == (1, 1, 0)


def test_shards_of_a_store_are_read_where_pictures_are_and_written_whole(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(Path("album/000/a.png"), 1, side=16)
    draw(Path("album/000/b.png"), 2, side=16)
    with tarfile.open("000.tar", "w") as tar:
        tar.add("album/000", arcname="")
    places.send(Path("000.tar"), f"{store}/in/000.tar")
    assert main(["degrade", "album", "-o", "here/"]) == OK
    call = ["degrade", f"{store}/in/*.tar", "-o", f"{store}/out", "--shards", "webdataset"]
    (found,) = done(*call)
    assert counts([found]) == (2, 0, 0)
    Path("there.tar").write_bytes(places.read(found.results[0]) or b"")
    with tarfile.open("there.tar") as tar:
        for name in ("000/a.png", "000/b.png"):
            member = tar.extractfile(name)
            assert member is not None
            assert member.read() == Path("here", name).read_bytes()
    assert counts(done(*call)) == (0, 2, 0)

    class Broken(io.BytesIO):
        def read(self, *_: object) -> bytes:
            raise OSError("the disk is gone")

    monkeypatch.setattr(Path, "open", lambda *_: Broken())
    with pytest.raises(OSError, match="the disk is gone"):
        places.send(Path("000.tar"), f"{store}/half.tar")
    assert places.entry(f"{store}/half.tar") is None
