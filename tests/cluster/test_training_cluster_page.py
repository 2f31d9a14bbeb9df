"""The commands of docs/training_cluster.md, run as they are on two machines with the names that it gives them."""

import re
from pathlib import Path

import pytest
import yaml
from repository import ROOT
from sample_picture_sets import drawing
from sample_runs import tiny_config
from sample_training_hosts import Machine, finish

pytestmark = pytest.mark.cluster

PAGE = (ROOT / "docs" / "training_cluster.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if line.startswith("torchrun ")]
EXPORTED = {
    line: dict(re.findall(r"(?m)^export (\w+)=(\w+)", block)) for block in BLOCKS for line in block.splitlines()
}
NUMBERED = [command.partition("  # ")[0] for command in COMMANDS if "--node-rank" in command]
ALIKE = [command for command in COMMANDS if "--node-rank" not in command]
SLURM = next(block for block in BLOCKS if block.startswith("#!/bin/bash"))
MANIFEST = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def disks(tmp_path: Path) -> tuple[Path, Path]:
    """Two disks with the page's mine.toml, in short, and a part of the pictures each."""
    for number in range(2):
        folder = tmp_path / str(number)
        art = folder / "art"
        art.mkdir(parents=True)
        for i in range(5):
            drawing(220, 100 * number + i).save(art / f"{number}_{i}.png")
        text = tiny_config(folder, Path("art")).read_text()
        text = text.replace('name = "tiny"', 'name = "mine"')
        (folder / "mine.toml").write_text(text.replace((folder / "runs").as_posix(), "runs"))
    return tmp_path / "0", tmp_path / "1"


def run(pair: tuple[Machine, Machine], commands: list[str], folders: tuple[Path, Path], **environment: str) -> None:
    started = [m.start(c, f, **environment) for m, c, f in zip(pair, commands, folders, strict=True)]
    found = finish(*started)
    assert [code for code, _ in found] == [0, 0], "\n\n".join(said for _, said in found)
    assert (folders[0] / "runs" / "mine" / "mine.safetensors").is_file()
    digests = [re.findall(r"weights (\w+) after step 6", said) for _, said in found]
    assert digests[0] == digests[1] != []


@pytest.mark.parametrize("command", ALIKE)
def test_a_command_for_each_machine(pair: tuple[Machine, Machine], disks: tuple[Path, Path], command: str) -> None:
    folders = disks if "per_host" in command else (disks[0], disks[0])
    run(pair, [command, command], folders, **EXPORTED[command])


def test_numbered_machines(pair: tuple[Machine, Machine], disks: tuple[Path, Path]) -> None:
    assert len(NUMBERED) == 2
    run(pair, NUMBERED, (disks[0], disks[0]))


def test_the_slurm_script_starts_a_training_on_each_machine(
    pair: tuple[Machine, Machine], disks: tuple[Path, Path]
) -> None:
    """With stand-ins for Slurm: srun notes what it would start everywhere."""
    folder = disks[0]
    (folder / "bin").mkdir()
    noted = 'test "$1" = --cpus-per-task=8 && shift && printf "%s\\n" "$*" > started'
    stand_ins = {"scontrol": 'printf "node1\\nnode2\\n"', "srun": noted}
    for name, line in stand_ins.items():
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / "bin" / name).chmod(0o755)
    (folder / "job.sh").write_text(SLURM)
    job = {"SLURM_JOB_NODELIST": "node[1-2]", "SLURM_NNODES": "2", "SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "8"}
    script = pair[0].start('sh -c "PATH=$PWD/bin:$PATH bash job.sh"', folder, **job)
    assert [code for code, _ in finish(script)] == [0]
    command = (folder / "started").read_text().strip()
    assert "--rdzv-endpoint node1:29400" in command
    run(pair, [command, command], (folder, folder))


def test_the_pods_of_the_kubernetes_job_train(pair: tuple[Machine, Machine], disks: tuple[Path, Path]) -> None:
    assert MANIFEST
    service, job = yaml.safe_load_all(MANIFEST[1])
    pod = job["spec"]["template"]["spec"]
    assert service["spec"]["selector"] == {"job-name": job["metadata"]["name"]}
    assert pod["subdomain"] == service["metadata"]["name"]
    assert job["spec"]["completions"] == job["spec"]["parallelism"] == len(pair)
    (container,) = pod["containers"]
    words = [str(word) for word in (*container["command"], *container["args"])]
    commands = [" ".join(words).replace("$(JOB_COMPLETION_INDEX)", str(index)) for index in range(2)]
    assert f"--master-addr {job['metadata']['name']}-0.{pod['subdomain']} " in commands[0]
    run(pair, commands, (disks[0], disks[0]))
