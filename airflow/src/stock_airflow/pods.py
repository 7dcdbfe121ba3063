"""The one place where pods and SparkApplications are made."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.operators.spark_kubernetes import SparkKubernetesOperator
from airflow.providers.cncf.kubernetes.utils.xcom_sidecar import PodDefaults
from airflow.sdk import Context
from kubernetes.client import models as k8s

from stock_airflow.identity import BATCH_ID
from stock_airflow.settings import SETTINGS
from stock_airflow.templates import Step, arguments, find_template, make_pod, read_config_map

LABEL = "stock-pipeline/batch-id"
SUMMARY = f"{PodDefaults.XCOM_MOUNT_PATH}/return.json"
_SIDECAR_SIZE = k8s.V1ResourceRequirements(
    requests={"cpu": "1m", "memory": "16Mi"}, limits={"cpu": "100m", "memory": "32Mi"}
)


class ServicePod(KubernetesPodOperator):
    """Programs of the pipeline in a pod, one after the other, as the chart's templates say.

    Its XCom is the summary of the last program. The pod that waits for it to be read runs the same image, under the
    same restrictions, so that nothing else has to be pulled.
    """

    template_fields: Sequence[str] = (*KubernetesPodOperator.template_fields, "steps")

    def __init__(self, *, steps: Sequence[Step], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.steps = steps

    def build_pod_request_obj(self, context: Context | None = None, *, dry_run: bool = False) -> k8s.V1Pod:
        """Return the pod to create."""
        texts = read_config_map(self.kubernetes_conn_id, "pods")
        self.pod_template_dict = make_pod(texts, self.steps)
        pod = super().build_pod_request_obj(context, dry_run=dry_run)
        base, *others = pod.spec.containers
        for sidecar in others:
            sidecar.image = base.image
            sidecar.image_pull_policy = base.image_pull_policy
            sidecar.security_context = base.security_context
            sidecar.resources = _SIDECAR_SIZE
        return pod


class SparkApplication(SparkKubernetesOperator):
    """A batch job as a SparkApplication, from the chart's template of its dataset."""

    template_fields = [*SparkKubernetesOperator.template_fields, "step", "labels"]  # noqa: RUF012 - Airflow's own form

    def __init__(self, *, step: Step, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.step = step

    def execute(self, context: Context) -> Any:
        """Submit the application and wait for its end."""
        self.template_spec = self.make_application()
        return super().execute(context)

    def make_application(self) -> dict[str, Any]:
        """Return the application to create, without its name."""
        texts = read_config_map(self.kubernetes_conn_id, "spark-batch")
        application = find_template(texts, self.step["program"])
        application["spec"]["arguments"] = arguments(self.step)
        for part in (application["metadata"], application["spec"]["driver"], application["spec"]["executor"]):
            part["labels"] = {**part.get("labels", {}), **self.labels}
        return application


def _common(task_id: str, timeout: timedelta) -> dict[str, Any]:
    return {
        "task_id": task_id,
        "name": task_id.replace("_", "-"),
        "namespace": SETTINGS.namespace,
        "labels": {LABEL: BATCH_ID},
        # a worker that comes again finds its pod by what it remembered, and goes on waiting for it
        "durable": True,
        "on_kill_action": "delete_pod",
        "on_finish_action": "delete_succeeded_pod",
        "get_logs": True,
        "log_events_on_failure": True,
        "log_pod_spec_on_failure": False,
        "startup_timeout_seconds": 600,
        "deferrable": False,
        "execution_timeout": timeout,
    }


def service_pod(
    task_id: str, steps: Sequence[Step], *, timeout: timedelta = timedelta(minutes=30), **kwargs: Any
) -> ServicePod:
    """Return a task that runs programs in a pod; its XCom is the last one's summary."""
    return ServicePod(**(pod_arguments(task_id, timeout) | kwargs), steps=list(steps))


def pod_arguments(task_id: str, timeout: timedelta = timedelta(minutes=30)) -> dict[str, Any]:
    """Return what all pods have in common, for `ServicePod.partial` too."""
    return _common(task_id, timeout) | {
        "do_xcom_push": True,
        "env_vars": {"XCOM_PATH": SUMMARY},
        "active_deadline_seconds": int(timeout.total_seconds()),
        "init_container_logs": True,
        # makes the operator leave the sidecar's restrictions to `build_pod_request_obj`
        "xcom_sidecar_container_security_context": {},
    }


def spark_job(
    task_id: str, dataset: str, options: dict[str, str], *, timeout: timedelta = timedelta(hours=2), **kwargs: Any
) -> ServicePod | SparkApplication:
    """Return a task that runs the batch job of `dataset`, `daily` or `realtime`, as STOCK_DAGS_SPARK says."""
    options = {"--batch-id": BATCH_ID} | options
    if SETTINGS.spark == "local":
        step = {"program": f"spark-{dataset}", "options": options}
        return service_pod(task_id, [step], timeout=timeout, **({"do_xcom_push": False, "env_vars": {}} | kwargs))
    common = _common(task_id, timeout) | {"delete_on_termination": True, "reattach_on_restart": True}
    return SparkApplication(**(common | kwargs), step={"program": dataset, "options": options})
