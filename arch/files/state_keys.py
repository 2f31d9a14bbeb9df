"""The names of tensors in files of others: what wraps them, and which names no network has."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from ..errors import SengaError, brief, quoted

# Under these keys checkpoints keep their tensors, averaged ones first; where a nested table was flattened, they are
# prefixes of every name: `params_ema.conv_first.weight`.
WRAPPERS = (
    "params_ema",
    "params-ema",
    "net_g_ema",
    "generator_ema",
    "model_ema",
    "ema",
    "params",
    "net_g",
    "netG",
    "generator",
    "state_dict",
    "model_state_dict",
    "module",  # DataParallel's
    "_orig_mod",  # torch.compile's
    "model",
    "net",
)
OWN_PREFIXES = ("model", "net", "ema")  # also how names of some networks begin: not removed as prefixes
BESIDE = ("net_d", "netD", "discriminator", "optimizer", "loss", "criterion")  # what trainers save besides
COMPILED = "_orig_mod."  # where a part of a network was compiled, this is in the midst of a name
DEEPEST = 8  # tables in tables
LONGEST = 512  # characters
NUMBER = re.compile(r"(?:^|(?<=\.))\d+(?=\.|$)")
SPARE_NUMBERS = 64  # layers without tensors, on top of four times as many as there are tensors


def unwrapped(found: Any) -> Any:
    """The table of tensors in a checkpoint of tables in tables, or what was found in its place."""
    for _ in range(DEEPEST):
        if not isinstance(found, dict):
            break
        inner = next((found[name] for name in WRAPPERS if isinstance(found.get(name), dict) and found[name]), None)
        if inner is None:
            break
        found = inner
    return found


def without_prefixes(names: Collection[str]) -> dict[str, str]:
    """name in the file -> name in its network, without the prefixes of wrappers, whatever their order.

    Where several wrappers are side by side, the first of WRAPPERS counts, and the others are left out.
    """
    kept = {name: name.replace(COMPILED, "") for name in names}
    prefixes = [f"{name}." for name in WRAPPERS if name not in OWN_PREFIXES]
    known = (*prefixes, *(f"{name}." for name in BESIDE))
    for _ in range(DEEPEST):
        if not kept or not all(name.startswith(known) for name in kept.values()):
            break
        prefix = next((p for p in prefixes if any(name.startswith(p) for name in kept.values())), None)
        if prefix is None:
            break
        kept = {old: name.removeprefix(prefix) for old, name in kept.items() if name.startswith(prefix)}
    return kept


def check_names(names: Mapping[Any, Any]) -> None:
    """Refuse what no network is named like: a library that counts layers by their numbers would build them all.

    Raises:
        SengaError: a name is not text, is longer than 512 characters, or numbers a layer far beyond the others.
    """
    highest = 4 * len(names) + SPARE_NUMBERS
    for name in names:
        if not isinstance(name, str):
            raise SengaError(f"has the key {quoted(name)}, a {type(name).__name__}; expected the names of tensors")
        if len(name) > LONGEST:
            raise SengaError(f"has a name of {len(name)} characters ({brief(name)}); expected at most {LONGEST}")
        for number in NUMBER.findall(name):
            if len(number) > 6 or int(number) > highest:
                raise SengaError(
                    f"numbers a layer {brief(number, 20)} ({brief(name)}), but has {len(names)} tensors; the file was"
                    " damaged or made up"
                )
