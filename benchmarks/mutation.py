"""Mutation testing: how many small changes of a module its tests notice.

    pip install cosmic-ray
    python -m benchmarks.mutation
    python -m benchmarks.mutation --only weights --seed 1 --share 0.2

Run it from the repository root, on a system with `fork`. Cosmic Ray's operators change one operator, number, condition
or exception at a time; of all changes a seeded sample is tried. Each mutant is loaded instead of the file, which stays
as it is, in a process forked after the slow imports; pytest runs the module's tests there until the first failure.
A mutant on which the tests run longer than the limit counts as killed. Survivors are printed as differences, to be
looked at: each is a missing test, or a change that no caller can notice.
"""

import argparse
import contextlib
import difflib
import importlib
import importlib.machinery
import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

import pytest

ROOT = Path(__file__).resolve().parent.parent
SLOW = ("torch", "numpy", "PIL.Image", "safetensors.torch", "einops", "hypothesis")  # imported once, before the forks


@dataclass(frozen=True)
class Subject:
    name: str
    module: str
    tests: tuple[str, ...]  # arguments of pytest, the quickest files first
    mutants: int


SUBJECTS = [
    Subject(
        "tiling",
        "arch/tiling.py",
        (
            "tests/arch/test_tiling.py",
            "tests/arch/engines/test_tail.py",
            "tests/arch/pictures/test_preview.py",
            "tests/arch/pictures/test_strips.py",
            "tests/arch/test_upscaling.py",
        ),
        60,
    ),
    Subject(
        "weights",
        "arch/weights.py",
        (
            "tests/arch/files/test_checked_files.py",
            "tests/arch/test_weights.py",
            "tests/arch/test_bad_weights.py",
            "tests/arch/test_foreign_upscalers.py",
            "tests/headless/commands/test_convert.py",
            "tests/nodes/test_model_files.py",
            "tests/arch/borrowed/test_timm_taggers.py",
        ),
        60,
    ),
    Subject(
        "header",
        "arch/header.py",
        ("tests/arch/test_header.py", "tests/arch/test_weights.py", "tests/arch/test_purpose.py"),
        35,
    ),
    Subject("tags", "arch/tags.py", ("tests/arch/test_tags.py", "tests/arch/test_tagging.py"), 45),
]


@dataclass(frozen=True)
class Mutant:
    operator: str
    occurrence: int  # of the places in the file that the operator changes
    source: str


def main(arguments: Sequence[str] | None = None) -> int:
    args = read_arguments(arguments)
    for name in SLOW:
        importlib.import_module(name)
    killed = tried = 0
    for subject in SUBJECTS:
        if subject.name not in args.only:
            continue
        path = ROOT / subject.module
        source = path.read_text(encoding="utf-8")
        begin = time.monotonic()
        if not passes(path, source, subject.tests, args.limit):
            raise SystemExit(f"{subject.module}: its tests fail, or take over {args.limit} s, without any change")
        sys.stdout.write(f"{subject.module}: the tests take {time.monotonic() - begin:.1f} s without a change\n")
        mutants = sample(source, args.seed, round(subject.mutants * args.share))
        survivors = 0
        for mutant in mutants:
            if passes(path, mutant.source, subject.tests, args.limit):
                survivors += 1
                sys.stdout.write(
                    f"survived: {mutant.operator} {mutant.occurrence}\n{difference(source, mutant.source)}\n"
                )
            sys.stdout.flush()
        sys.stdout.write(f"{subject.module}: {len(mutants) - survivors} of {len(mutants)} killed\n")
        killed, tried = killed + len(mutants) - survivors, tried + len(mutants)
    sys.stdout.write(f"in all: {killed} of {tried} killed, {killed / max(1, tried):.1%}; seed {args.seed}\n")
    return 0


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="How many small changes of a module its tests notice.")
    names = [subject.name for subject in SUBJECTS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="modules (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample (default: %(default)s)")
    parser.add_argument("--share", type=float, default=1.0, help="of 200 mutants (default: %(default)s)")
    parser.add_argument("--limit", type=float, default=240.0, help="seconds for the tests (default: %(default)s)")
    return parser.parse_args(arguments)


def sample(source: str, seed: int, count: int) -> list[Mutant]:
    """`count` of all mutants of a file, the same ones for the same seed, in the order of operators."""
    from cosmic_ray import plugins  # pyright: ignore[reportMissingImports]
    from cosmic_ray.ast import ast_nodes, get_ast  # pyright: ignore[reportMissingImports]
    from cosmic_ray.mutating import mutate_code  # pyright: ignore[reportMissingImports]

    nodes = list(ast_nodes(get_ast(source)))
    operators = {name: plugins.get_operator(name) for name in sorted(plugins.operator_names())}
    plain = {name: operator() for name, operator in operators.items() if not operator.arguments()}
    places = [
        (name, occurrence)
        for name, operator in plain.items()
        for occurrence in range(sum(len(list(operator.mutation_positions(node))) for node in nodes))
    ]
    chosen = sorted(random.Random(seed).sample(places, min(count, len(places))))
    codes = [mutate_code(source, plain[name], occurrence) for name, occurrence in chosen]
    return [Mutant(*place, code) for place, code in zip(chosen, codes, strict=True) if code is not None]


def passes(path: Path, source: str, tests: Sequence[str], limit: float) -> bool:
    """Whether tests pass, within `limit` seconds, in a process that finds `source` in place of a file."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with silence():
                replace_source(path, source)
                code = int(pytest.main(["-x", "-q", *tests]))
        finally:
            os._exit(code)
    until = time.monotonic() + limit
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.02)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return False


@contextlib.contextmanager
def silence() -> Iterator[None]:
    with Path(os.devnull).open("w", encoding="utf-8") as nothing:
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)
        yield


def replace_source(path: Path, source: str) -> None:
    """From now on in this process, importing the file at `path` compiles `source`."""
    loader = importlib.machinery.SourceFileLoader
    usual = loader.get_code

    def get_code(self: importlib.machinery.SourceFileLoader, fullname: str) -> CodeType | None:
        if Path(self.path).resolve() == path.resolve():
            return compile(source, self.path, "exec", dont_inherit=True)
        return usual(self, fullname)

    loader.get_code = get_code  # type: ignore[method-assign]


def difference(before: str, after: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return "\n".join(line for line in lines if not line.startswith(("---", "+++")))


if __name__ == "__main__":
    sys.exit(main())
