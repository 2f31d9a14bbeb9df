"""The licences of what is installed with Senga: none that binds those who use or pass it on."""

import re
import tomllib
from collections.abc import Iterator
from importlib import metadata

import pytest
from repository import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = (
    "fast",
    "taggers",
    "train",
    "video",
    "server",
    "models",
    "export",
    "page",
    "cluster",
)  # for users; "test" and "bench" are for us

# SPDX identifiers. MPL-2.0 binds changed files of that package alone.
ALLOWED = {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "HPND", "ISC", "MIT", "MIT-CMU"}
ALLOWED |= {"MPL-2.0", "PSF-2.0", "Python-2.0", "Unlicense", "Zlib", "LLVM-exception"}
# What packages wrote before there were identifiers, by how it begins in lower case.
WORDS = {
    "apache": "Apache-2.0",
    "bsd license": "BSD-3-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "license agreement for matplotlib": "PSF-2.0",
    "mit license": "MIT",
    "python software foundation": "PSF-2.0",
}
MIT = "Permission is hereby granted, free of charge, to any person obtaining a copy"


def packages(requirements: list[str]) -> Iterator[str]:
    for requirement in requirements:
        name = re.split(r"[\s\[<>=!~;]", requirement, maxsplit=1)[0]
        if name != PROJECT["name"]:
            yield name


REQUIRED = [*packages(PROJECT["dependencies"])]
OPTIONAL = sorted({name for extra in EXTRAS for name in packages(PROJECT["optional-dependencies"][extra])})


def licences(name: str) -> set[str]:
    """The identifiers in a package's own words: its expression, its field, or its classifiers."""
    found = metadata.metadata(name)
    (said, *_) = found.get_all("License-Expression") or found.get_all("License") or [""]
    classifiers = [
        text.rpartition(" :: ")[2] for text in found.get_all("Classifier") or [] if text.startswith("License")
    ]
    for text in (said, *classifiers):
        if known := next((identifier for words, identifier in WORDS.items() if text.lower().startswith(words)), None):
            return {known}
        if text and len(text) < 200:
            return set(re.findall(r"[\w.-]+", re.sub(r"\b(AND|OR|WITH)\b", " ", text)))
    texts = [file.read_text() for file in metadata.files(name) or [] if file.name.upper().startswith("LICEN")]
    return {"MIT"} if any(MIT in " ".join(text.split()) for text in texts) else set()


@pytest.mark.parametrize("name", REQUIRED)
def test_the_licences_of_what_is_always_installed(name: str) -> None:
    assert licences(name)
    assert licences(name) <= ALLOWED


@pytest.mark.parametrize("name", OPTIONAL)
def test_the_licences_of_the_extras(name: str) -> None:
    try:
        metadata.metadata(name)
    except metadata.PackageNotFoundError:
        pytest.skip(f"{name} is not installed")
    assert licences(name)
    assert licences(name) <= ALLOWED


def test_the_run_time_needs_six_packages() -> None:
    """A new one is a decision: its licence, its size, and who answers for it."""
    assert REQUIRED == ["torch", "numpy", "pillow", "safetensors", "einops", "tqdm"]


@pytest.mark.parametrize("text", ["GPL-3.0-only", "AGPL-3.0-or-later", "GNU General Public License v3 (GPLv3)", ""])
def test_what_would_be_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import email.message

    made = email.message.Message()
    made["License"] = text
    monkeypatch.setattr(metadata, "metadata", lambda name: made)
    monkeypatch.setattr(metadata, "files", lambda name: [])
    assert not licences("any") or not licences("any") <= ALLOWED
