"""What commands show of the log: everything with --verbose, and no line about engines under every command."""

import io
import logging
import sys

import pytest
from senga.headless.log import log_to_stderr
from tqdm import tqdm


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


def test_a_progress_bar_whose_reader_has_gone_does_not_end_the_work(monkeypatch):
    class Closed(io.StringIO):
        def write(self, text=""):
            raise BrokenPipeError(32, "Broken pipe")

        flush = write

    monkeypatch.setattr(sys, "stderr", closed := Closed())
    with log_to_stderr(False):
        logging.getLogger("senga").warning("said to nobody")
        assert list(tqdm(range(3), mininterval=0)) == [0, 1, 2]
    assert sys.stderr is closed
    with pytest.raises(BrokenPipeError):  # as it is without
        list(tqdm(range(3), mininterval=0))
