"""What comes from elsewhere is shown in messages: on one line, and never longer than the limit."""

import pytest
from senga.arch.errors import brief, quoted


@pytest.mark.parametrize("text", ["x" * 200, "\x1b" * 80, "線" * 200, "a\n" * 60, "\ud800" * 200])
def test_a_name_takes_one_line_of_limited_length(text):
    for shown in (brief(text), quoted(text), quoted([text] * 9)):
        assert len(shown) <= 80
        assert shown.isprintable()
        assert shown.endswith("...")


def test_a_short_name_is_shown_as_it_is():
    assert brief("線画 1girl.png") == "線画 1girl.png"
    assert brief("x" * 80) == "x" * 80
    assert brief("a\tb\x1b") == r"a\tb\x1b"
