"""The degradation benchmark's table and its shares."""

import pytest
from senga.benchmarks import degradation  # pyright: ignore[reportMissingImports]


def test_the_degradation_table_has_a_row_for_each_preset_with_its_shares(capsys, caplog):
    assert degradation.main(["--side", "32", "--pictures", "3", "--preset", "screentone", "--preset", "bicubic"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["screentone", "bicubic"]
    assert float(lines[2].split()[1]) > 0
    for line, steps in ((lines[2], {"halftone", "jpeg", "resize"}), (lines[3], {"resize"})):
        parts = [part.rsplit(" ", 1) for part in line.split(maxsplit=2)[2].split(", ")]
        assert steps <= {name for name, _ in parts}
        assert sum(int(share.rstrip("%")) for _, share in parts) == pytest.approx(100, abs=len(parts))
    assert degradation.main(["--preset", "bicubc"]) == 2
    assert "did you mean 'bicubic'" in caplog.text


def test_shares_are_sorted_and_the_small_go_to_the_rest():
    speed = degradation.Speed(10, 2.0, {"jpeg": 0.5, "webp": 1.4, "resize": 0.01})
    assert speed.per_second() == 5
    assert speed.shares() == "webp 70%, jpeg 25%, rest 5%"
