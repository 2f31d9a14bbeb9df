"""What commands show of the log: everything with --verbose, and no line about engines under every command."""

import logging

import pytest
from senga.headless.log import log_to_stderr


@pytest.mark.parametrize(("verbose", "shown"), [(False, ["a", "d"]), (True, ["a", "b", "c", "d"])])
def test_engines_are_named_with_verbose_alone(capsys, verbose, shown):
    logger, engine = logging.getLogger("senga"), logging.getLogger("senga.engine")
    before = logger.level, engine.level
    with log_to_stderr(verbose):
        logger.info("a")
        logger.debug("b")
        engine.info("c")
        engine.warning("d")
    assert capsys.readouterr().err.splitlines() == [f"senga: {line}" for line in shown]
    assert (logger.level, engine.level) == before
