"""`run.compile`: a net is compiled where that works, and trained as it is where it does not."""

import logging

import torch
from torch import nn

logger = logging.getLogger("senga")


def compile_net(net: nn.Module, device: torch.device) -> None:
    """Compile the net's forward in place, or say why not."""
    if reason := why_not(net, device):
        logger.warning("run.compile: %s; the net is trained without", reason)
    else:
        net.compile()


def why_not(net: nn.Module, device: torch.device) -> str:
    """Why a net cannot be compiled, as the beginning of a sentence; "" where it can. Compiles a sum to find out."""
    if hasattr(net, "forward_all"):
        return f"{type(net).__name__} has several results, which torch.compile does not handle"
    try:
        torch.compile(torch.neg)(torch.ones(2, device=device))
    except (RuntimeError, OSError, ImportError) as error:  # what dynamo's and inductor's own errors are
        return f"no compiler works here ({' '.join(str(error).split())[:120]})"
    return ""
