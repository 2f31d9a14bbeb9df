"""The arithmetic of the benchmark of `--cluster`: no Ray is started."""

import pytest
from senga.benchmarks import cluster  # pyright: ignore[reportMissingImports]
from senga.headless.cli import _parser
from senga.headless.commands import degrade


def test_a_rate_is_that_of_the_time_in_which_all_workers_had_a_unit() -> None:
    one = [10.0, 11.0, 12.0, 13.0]
    assert cluster.rate_of([one], 1) == pytest.approx(1.0)
    late = [12.5, 13.5, 14.5]  # of a worker that began later
    tail = [15.0, 16.0, 17.0]  # in which the first one is alone
    whole = [[*one, 14.0], late, tail]
    assert cluster.rate_of(whole, 1) == pytest.approx(10 / 7)
    assert cluster.rate_of(whole, 2) == pytest.approx(3 / 1.5)  # from 12.5 to 14
    assert cluster.rate_of(whole, 4) == cluster.rate_of(whole, 1)  # never so many


@pytest.mark.parametrize("cores", [1, 2, 16])
def test_each_number_of_workers_is_compared_with_the_plain_command(cores: int) -> None:
    rows = cluster.rows(cores)
    plain = {row.threads for row in rows if not row.workers}
    assert [row.workers for row in rows if row.workers] == [1, 2, 4]
    assert {row.threads for row in rows} == plain == {min(workers, cores) for workers in (1, 2, 4)}
    text = "\n".join(
        cluster.rates(
            {row: [cluster.Call(2.0 - 0.1 * bool(row.workers), 3.0, [1.0], 0.5, 9.0)] for row in rows},
            cores,
            cluster.read_arguments(["--count", "8"]),
        )
    )
    assert text.count("| 5 % (5) |") == 3


def test_millions_on_paper() -> None:
    text = cluster.extrapolated(rate=4.9, result=2e6, dealt=49.0, size=0.5e6, names=200.0)
    assert "2.5 TB are read (500 kB each) and 9.8 TB written (2000 kB each)" in text[0]
    assert "feeds 102 workers" in text[0]
    assert "200 bytes of the driver's network for each picture, 1.0 GB in all" in text[0]
    rows = {row.split(" | ")[0]: row for row in text[-4:]}
    assert rows["| 1"] == "| 1 | 4.9 | 11.57 | 2.5 | 9.8 | 1.0 | 10.0 |"
    assert rows["| 16"] == "| 16 | 78.4 | 0.72 | 39.2 | 156.8 | 15.7 | 160.0 |"


def test_its_call_is_one_that_senga_takes() -> None:
    args = _parser(["degrade"]).parse_args(["degrade", "small20", *cluster.FAST, "-o", "out/"])
    assert degrade.prepare(args, {}).settings["command"] == "degrade"
