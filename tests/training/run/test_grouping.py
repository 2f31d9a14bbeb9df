"""Groups of what is alike in chains."""

import pytest
from senga.training.run.grouping import first_of_groups


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], [0, 1, 2, 3, 4]),
        ([(0, 2), (1, 2)], [0, 0, 0, 3, 4]),  # both have 2 as their second
        ([(4, 3), (2, 3), (2, 1)], [0, 1, 1, 1, 1]),
        ([(0, 1), (2, 3), (3, 1), (1, 0)], [0, 0, 0, 0, 4]),
    ],
)
def test_each_gets_the_least_number_of_its_group(pairs, expected):
    assert first_of_groups(5, pairs) == expected
