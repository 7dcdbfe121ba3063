"""Removing the pods that runs left."""

import logging
from http import HTTPStatus

from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook
from airflow.providers.cncf.kubernetes.pod_generator import make_safe_label_value
from kubernetes.client import CoreV1Api
from kubernetes.client.exceptions import ApiException

from stock_airflow.pods import LABEL
from stock_airflow.settings import SETTINGS

log = logging.getLogger(__name__)


def remove_pods(client: CoreV1Api, dag_id: str, run_id: str, *, of_this_run: bool) -> list[str]:
    """Delete the pods of this run that are still active, or those of all other runs of the DAG, and return their names.

    A failed pod of this run stays for a look at it, until the next run begins.
    """
    sign = "=" if of_this_run else "!="
    # the batch id's label: Airflow's own worker pods have the others too
    selector = f"{LABEL},dag_id={make_safe_label_value(dag_id)},run_id{sign}{make_safe_label_value(run_id)}"
    active = "status.phase!=Succeeded,status.phase!=Failed" if of_this_run else None
    options = {"field_selector": active} if active else {}
    pods = client.list_namespaced_pod(SETTINGS.namespace, label_selector=selector, **options).items
    names = sorted(pod.metadata.name for pod in pods)
    for name in names:
        _delete(client, name)
    log.info("removed %d pods: %s", len(names), ", ".join(names) or "none")
    return names


def _delete(client: CoreV1Api, name: str) -> None:
    try:
        client.delete_namespaced_pod(name, SETTINGS.namespace)
    except ApiException as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise


def remove_others(dag_id: str, run_id: str) -> list[str]:
    """Delete what earlier runs left, so that nothing of them collects or writes beside this one."""
    return remove_pods(KubernetesHook().core_v1_client, dag_id, run_id, of_this_run=False)


def remove_own(dag_id: str, run_id: str) -> list[str]:
    """Delete what is still active of this run."""
    return remove_pods(KubernetesHook().core_v1_client, dag_id, run_id, of_this_run=True)
