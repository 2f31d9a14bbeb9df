"""The errors Senga raises on purpose: each message is one sentence that names the input and the way out."""


class SengaError(ValueError):
    """Bad input: what was found, what was wanted, and what to do about it."""


class Stopped(Exception):
    """The caller's `should_stop` said yes; nothing is wrong."""


class NotOurs(SengaError):
    """The tensors fit no network of ours; a borrowed library may know theirs."""
