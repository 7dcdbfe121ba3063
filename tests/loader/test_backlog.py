"""The backlog of `watch`: sorted by age, forgetful about what is done, patient with what failed."""

from stockpipe.loader.backlog import Backlog, BatchRef

A = BatchRef("20240514T150000Z-a", "realtime")
B = BatchRef("20240514T150000Z-b", "daily")
C = BatchRef("20240514T150001Z-a", "daily")


def test_batches_are_due_oldest_first_whatever_their_dataset() -> None:
    backlog = Backlog(10, 60)
    backlog.found([C, B, A])
    assert backlog.due(0) == [A, B, C]


def test_what_is_done_is_not_found_again() -> None:
    backlog = Backlog(10, 60)
    backlog.found([A, B])
    backlog.done(A)
    backlog.found([A, B])
    assert backlog.due(0) == [B]


def test_what_is_no_longer_listed_is_forgotten_and_so_takes_no_memory() -> None:
    backlog = Backlog(10, 60)
    backlog.found([A])
    backlog.done(A)
    backlog.found([C])
    backlog.found([A])
    assert backlog.due(0) == [A, C], "a rescan asks the warehouse about it"


def test_the_warehouse_knows_better() -> None:
    backlog = Backlog(10, 60)
    backlog.found([A, B])
    backlog.done(A)
    backlog.recorded({B})
    assert backlog.due(0) == [A]


def test_a_failed_batch_stays_open_without_being_listed_and_waits_ever_longer() -> None:
    backlog = Backlog(10, 60)
    backlog.found([A])
    assert [backlog.failed(A, 0) for _ in range(5)] == [10, 20, 40, 60, 60]
    backlog.found([])
    assert backlog.due(59.9) == []
    assert backlog.due(60) == [A]
    backlog.done(A)
    assert backlog.due(1000) == []
