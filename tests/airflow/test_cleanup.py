"""Clean-up removes what it should, and nothing of others."""

from conftest import FakeCluster
from stock_airflow.cleanup import remove_others, remove_own

BATCH = {"stock-pipeline/batch-id": "x"}


def pods() -> dict[str, tuple[dict[str, str], str]]:
    return {
        "old-failed": ({**BATCH, "dag_id": "stream", "run_id": "old"}, "Failed"),
        "old-running": ({**BATCH, "dag_id": "stream", "run_id": "old"}, "Running"),
        "own-running": ({**BATCH, "dag_id": "stream", "run_id": "now"}, "Running"),
        "own-failed": ({**BATCH, "dag_id": "stream", "run_id": "now"}, "Failed"),
        "other-dag": ({**BATCH, "dag_id": "batch", "run_id": "old"}, "Running"),
        "airflow-worker": ({"dag_id": "stream", "run_id": "old"}, "Running"),
        "service": ({"app.kubernetes.io/component": "loader"}, "Running"),
    }


def test_what_earlier_runs_left_is_removed(cluster: FakeCluster) -> None:
    cluster.pods = pods()
    assert remove_others("stream", "now") == ["old-failed", "old-running"]
    assert cluster.pods.keys() == pods().keys() - {"old-failed", "old-running"}


def test_what_is_active_of_this_run_is_removed_and_a_failed_pod_kept_for_a_look(cluster: FakeCluster) -> None:
    cluster.pods = pods()
    assert remove_own("stream", "now") == ["own-running"]
    assert cluster.pods.keys() == pods().keys() - {"own-running"}
