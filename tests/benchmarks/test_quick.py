"""The quick benchmarks; a ratio below half of its target fails."""

from collections.abc import Iterator

import pytest

from benchmarks.catalog import BENCHMARKS, QUICK
from benchmarks.harness import Bench, Target, opened


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with opened(tmp_path_factory.mktemp("bench"), quick=True) as found:
        yield found


@pytest.mark.parametrize("name", QUICK)
def test_ratios_are_at_least_half_of_their_targets(bench: Bench, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    results = BENCHMARKS[name](bench)
    with capsys.disabled():
        print("", *(line for result in results for line in result.lines), sep="\n")
    assert [result.lines[0] for result in results if not result.passes] == []


def test_a_target_is_met_from_its_side() -> None:
    assert Target(0.5, 0.7).meets(0.5)
    assert not Target(0.5, 0.7).meets(0.49)
    assert Target(0.5, 0.7).meets(0.25, part=0.5)
    assert Target(2.5, 2.0, at_most=True).meets(2.5)
    assert not Target(2.5, 2.0, at_most=True).meets(2.6)
    assert Target(2.5, 2.0, at_most=True).meets(5.0, part=0.5)
