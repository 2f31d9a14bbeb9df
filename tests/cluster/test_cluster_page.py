"""The commands of docs/cluster.md, run as they are written on hosts with the page's addresses and folders."""

import os
import re
import shlex
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from repository import ROOT
from sample_cluster import TRIES, TRY, Host, hosts
from sample_units import contents, draw
from senga.headless.cli import OK, _parser

pytest.importorskip("ray.data", reason='needs the extra "cluster"')
yaml = pytest.importorskip("yaml")  # Ray needs it too
pytestmark = pytest.mark.cluster

PAGE = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
PICTURES = ("a.png", "sub/b.png")
BEGIN = (
    "unset RAY_AUTH_MODE RAY_AUTH_TOKEN; mount --bind {shared} /mnt; mount --bind {own} {short}; cd {shared}; "
    "exec >> {log} 2>&1\n"
)


def block(section: str, language: str) -> str:
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return found


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder with the page's pictures, `senga` among the programs, and a short one for Ray's sockets."""
    for folder in ("album", "archive"):
        for number, name in enumerate(PICTURES):
            draw(tmp_path / folder / name, number, side=16)
    (tmp_path / "shards").mkdir()
    with tarfile.open(tmp_path / "shards" / "000.tar", "w") as tar:
        tar.add(tmp_path / "album", arcname="")
    program(tmp_path / "bin" / "senga", f'exec {sys.executable} -m senga.headless "$@"')
    with tempfile.TemporaryDirectory(prefix="sgp", ignore_cleanup_errors=True) as short:
        (tmp_path / "short").symlink_to(short)
        yield tmp_path


def program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)


def run(host: Host, place: Path, script: str, tries: int = 1, seconds: float = 400.0) -> None:
    """A line of the page on a host, and again where it does not end in time: Ray does not come up now and then."""
    log, short = place / "log.txt", (place / "short").readlink()
    own = place / host.address  # each host's own folder of that name, as on machines of their own
    own.mkdir(exist_ok=True)
    begin = BEGIN.format(shared=place, own=own, short=short, log=log)
    path = os.pathsep.join([str(place / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    for _ in range(tries):
        process = host.start(
            "bash",
            "-euc",
            begin + script,
            output=subprocess.DEVNULL,
            HOME=str(place),
            RAY_TMPDIR=str(short),
            PATH=path,
        )
        try:
            if process.wait(timeout=seconds) == OK:
                return
        except subprocess.TimeoutExpired:
            log.open("a").write(f"nothing within {seconds:g} s\n")
        host.kill()
    raise AssertionError(f"{script}\n{log.read_text()}")


@pytest.fixture
def two(place: Path) -> Iterator[list[Host]]:
    with hosts(2) as found:
        if not found[0].name:
            pytest.skip("the page's addresses need network namespaces, which root may make")
        yield found


def test_one_machine(place: Path, two: list[Host]) -> None:
    lines = [*block("A laptop", "sh").splitlines(), *block("One big machine", "sh").splitlines()]
    calls = [line for line in lines if not line.startswith("pip ")]  # the README's tests install
    assert len(calls) == 3
    for line in calls:
        run(two[0], place, line)
    assert set(contents(place / "captions")) == {"a.txt", "sub/b.txt"}
    assert [path.suffix for path in (place / "tags").glob("senga_*")] == [".parquet"]
    assert set(contents(place / "large")) == set(PICTURES)


def test_a_ray_cluster(place: Path, two: list[Host]) -> None:
    exported = ""
    for line in block("A Ray cluster", "sh").splitlines():
        if line.startswith("export "):
            exported = f"{line}\n"
        else:
            tries, seconds = (TRIES, TRY) if "ray start" in line else (1, 400.0)
            run(two["# on each other" in line], place, exported + line, tries, seconds)
    assert "2 machines" in (place / "log.txt").read_text()
    assert set(contents(place / "large")) == set(PICTURES)
    (shard,) = (place / "damaged").glob("senga_*.tar")
    with tarfile.open(shard) as tar:
        assert tar.getnames() == ["000/a.png", "000/sub/b.png"]


# Runs a command in the namespace of --nodelist, where the folder of Ray's sockets is that host's own, as in `run`.
SRUN = """set -e
for option in --overlap --nodes=1 --ntasks=1 --cpus-per-task=1; do [ "$1" = $option ]; shift; done
node="${{1#--nodelist=}}"; shift
inside='own=$(echo $0/$(hostname -I)); mkdir -p $own && mount --bind $own {short} && exec "$@"'
exec nsenter --net=/var/run/netns/$node unshare --mount bash -c "$inside" {place} "$@"
"""


def test_a_slurm_job(place: Path, two: list[Host]) -> None:
    """With stand-ins for Slurm's programs; its nodes are called as the namespaces are."""
    text = block("A Slurm job", "bash")
    assert text.startswith("#!/bin/bash\n#SBATCH ")
    (place / "job.sh").write_text(text)
    program(place / "bin" / "srun", SRUN.format(place=place, short=(place / "short").readlink()))
    names = " ".join(host.name for host in two)
    program(place / "bin" / "scontrol", f'[ "$*" = "show hostnames list" ] && printf "%s\\n" {names}')
    job = "export SLURM_JOB_NODELIST=list SLURM_JOB_ID=12345 SLURM_CPUS_PER_TASK=1"
    run(two[0], place, f"{job}; bash job.sh", tries=2)
    assert "2 machines" in (place / "log.txt").read_text()
    assert set(contents(place / "large")) == set(PICTURES)


def test_the_manifest_runs_the_pinned_ray_and_a_call_that_senga_takes() -> None:
    (job,) = yaml.safe_load_all(block("Kubernetes", "yaml"))
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    (version,) = re.findall(r"^ray==(.*)$", pins, re.MULTILINE)
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["rayVersion"] == version
    assert f"FROM rayproject/ray:{version}-py" in block("Kubernetes", "dockerfile")
    words = shlex.split(job["spec"]["entrypoint"])
    assert words[0] == "senga"
    args = _parser([words[1]]).parse_args(words[1:])
    assert (args.cluster, args.output) == ("auto", "s3://archive/large")
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        (container,) = group["template"]["spec"]["containers"]
        assert {"name": "RAY_USAGE_STATS_ENABLED", "value": "0"} in container["env"]
        assert set(container["resources"]["limits"]) == {"cpu", "memory"}
    assert groups[0]["rayStartParams"] == {"num-cpus": "0"}
