"""The estimate of how long a run will take."""

import pytest
from senga.training.run import pace
from senga.training.run.pace import SEEN, WARM, Pace


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize("first", [0, 300])
def test_the_estimate_comes_once_and_leaves_out_warm_up_and_pauses(
    first: int, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    found = Pace(first, 3000)
    for step in range(1, SEEN + 20):
        clock[0] += 9.0 if step <= WARM else 2.0
        found.note(first + step)
        if step % 20 == 0:
            clock[0] += 500.0
            found.pause(500.0)
    left = "98 minutes" if not first else "88 minutes"
    assert [record.getMessage() for record in caplog.records] == [
        f"2.000 s a step: 3000 steps take about 100 minutes, {left} from here, without validations"
    ]


def test_a_run_that_is_nearly_over_gets_none(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    found = Pace(0, 2 * SEEN - 1)
    for step in range(1, 2 * SEEN):
        found.note(step)
    assert caplog.records == []
