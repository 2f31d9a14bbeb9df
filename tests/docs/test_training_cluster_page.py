"""docs/training_cluster.md: its settings and links exist, and its scripts and manifest can be read.

Its commands are run by tests/cluster/test_training_cluster_page.py.
"""

import dataclasses
import re
import subprocess

import pytest
from repository import ROOT
from senga.training.sr.settings import Settings
from senga.training.tagger.settings import TaggerSettings

PAGE = (ROOT / "docs" / "training_cluster.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("settings", [Settings, TaggerSettings])
def test_its_settings_are_those_of_both_trainers(settings: type) -> None:
    hints = {field.name: field.type for field in dataclasses.fields(settings)}
    named = set(re.findall(r"(data|run)\.(per_host|timeout|threads|batch|folder)\b", PAGE))
    assert {("data", "per_host"), ("run", "timeout")} <= named
    for section, name in named:
        kind = hints[section]
        assert isinstance(kind, type)
        assert name in {field.name for field in dataclasses.fields(kind)}


def test_its_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([\w.]+\.md)(?:#([\w-]+))?\)", PAGE)
    assert links
    for link, heading in links:
        text = (ROOT / "docs" / link).read_text(encoding="utf-8")
        headings = re.findall(r"^#+ .*", text, re.MULTILINE)
        titles = [re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-") for line in headings]
        assert not heading or heading in titles, f"{link}#{heading}"


def test_its_scripts_can_be_read() -> None:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) > 3
    for block in blocks:
        done = subprocess.run(["bash", "-n"], input=block, text=True, capture_output=True)
        assert (done.returncode, done.stderr) == (0, "")


def test_its_manifest_can_be_read() -> None:
    yaml = pytest.importorskip("yaml", reason="needs the extra cluster")
    found = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert found
    assert [part["kind"] for part in yaml.safe_load_all(found[1])] == ["Service", "Job"]
