"""Makes a command of Airflow use the stand-in for Kubernetes that the file LOCAL_PODS describes."""

import json
import os
from pathlib import Path

from airflow.plugins_manager import AirflowPlugin

from local_pods import LocalPods

about = json.loads(Path(os.environ["LOCAL_PODS"]).read_text())
local = LocalPods(Path(about["folder"]), about["environment"])
local.install(setattr, lambda suffix: about["config_maps"][f"stock-pipeline-{suffix}"])


class LocalPodsPlugin(AirflowPlugin):
    """Has nothing for Airflow; that it is loaded is enough."""

    name = "local_pods"
