"""The errors Senga raises on purpose: each message is a sentence that names the input and the way out."""


class SengaError(ValueError):
    """Bad input: what was found, what was expected, and the way out."""


class Stopped(Exception):
    """The caller's `should_stop` returned True; nothing is wrong."""


class NotOurs(SengaError):
    """The tensors fit no network of ours; a borrowed library may know theirs."""
