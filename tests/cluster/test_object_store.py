"""Pictures and results in an S3 store, that of `moto` on this machine: what a worker does with a unit, without Ray."""

import argparse
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from senga.headless.cli import _parser
from senga.headless.cluster import places
from senga.headless.cluster.listing import listed
from senga.headless.cluster.units import Outcome, units
from senga.headless.commands import degrade
from senga.headless.commands.batch_cluster import PictureWorker

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


def arguments(*words: str) -> argparse.Namespace:
    args = _parser(["degrade"]).parse_args(["degrade", *words])
    return argparse.Namespace(**{key: value for key, value in vars(args).items() if key not in ("command", "parser")})


def run(*words: str) -> list[Outcome]:
    args = arguments(*words, "--cluster", "local")
    settings = json.dumps(degrade.prepare(args, {}).settings, sort_keys=True)
    worker = PictureWorker(str(Path.cwd()), degrade.prepare, args, settings, 1)
    items = partial(listed, args.pictures, args.output, (".png",), recursive=True)
    return [worker(unit) for unit in units(items())]


def test_pictures_of_a_store_become_those_of_a_folder_and_are_known_again(store: str) -> None:
    for number in range(3):
        path = Path("album", "sub" if number else "", f"{number}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path)
        places.store(path.read_bytes(), f"{store}/in/{path.relative_to('album').as_posix()}")
    places.store(b"no picture", f"{store}/in/bad.png")
    names = ("0.png", "sub/1.png", "sub/2.png")
    run("album", "-o", "here/")
    found = run(f"{store}/in", "-o", f"{store}/out")
    assert sum(outcome.done for outcome in found) == 3
    assert sorted(text for outcome in found for text in outcome.results) == [f"{store}/out/{name}" for name in names]
    ((name, why),) = [failed for outcome in found for failed in outcome.failed]
    assert name == f"{store}/in/bad.png"
    assert why.startswith(f"{store}/in/bad.png: not a picture")
    for name in names:
        assert places.read(f"{store}/out/{name}") == Path("here", name).read_bytes()
    again = run(f"{store}/in", "-o", f"{store}/out")
    assert (sum(o.done for o in again), sum(o.skipped for o in again)) == (0, 3)
    other = run(f"{store}/in", "-o", f"{store}/out", "--seed", "9")
    assert sum(outcome.done for outcome in other) == 3
    assert places.read(f"{store}/out/0.png") != Path("here/0.png").read_bytes()
