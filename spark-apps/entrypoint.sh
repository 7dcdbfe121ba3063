#!/bin/bash
# Main process of the Spark image. Under spark-operator: `driver …` and `executor`. Otherwise the name of a job and its
# flags run that job with driver and executors in this one process, e.g. spark_batch_processor --run-date 2026-11-23
#
# A driver is Python itself, not spark-submit: spark-submit's child gets no SIGTERM, so a stream would be cut off in the
# middle of a micro-batch.
set -euo pipefail

case ${1:-} in
driver) # --properties-file FILE --class CLASS local:///opt/spark-apps/JOB.py FLAG...
    properties=$3 job=$6
    export PYSPARK_SUBMIT_ARGS="--properties-file $properties --deploy-mode client \
--conf spark.driver.bindAddress=$SPARK_DRIVER_BIND_ADDRESS pyspark-shell"
    shift 6
    exec "$PYSPARK_PYTHON" "${job#local://}" "$@"
    ;;
executor) # all by environment; Java's options are SPARK_JAVA_OPT_<n>
    options=()
    while IFS='=' read -r -d '' name value; do
        if [[ $name == SPARK_JAVA_OPT_* ]]; then options[${name#SPARK_JAVA_OPT_}]=$value; fi
    done </proc/self/environ
    exec "$JAVA_HOME/bin/java" "${options[@]}" "-Xms$SPARK_EXECUTOR_MEMORY" "-Xmx$SPARK_EXECUTOR_MEMORY" \
        -cp "$SPARK_CONF_DIR:${SPARK_CLASSPATH:-}:$SPARK_HOME/jars/*" \
        org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend \
        --driver-url "$SPARK_DRIVER_URL" --executor-id "$SPARK_EXECUTOR_ID" --cores "$SPARK_EXECUTOR_CORES" \
        --app-id "$SPARK_APPLICATION_ID" --hostname "$SPARK_EXECUTOR_POD_IP" \
        --resourceProfileId "$SPARK_RESOURCE_PROFILE_ID" --podName "$SPARK_EXECUTOR_POD_NAME"
    ;;
spark_*)
    job=$1
    shift
    exec "$PYSPARK_PYTHON" -m "stockpipe.spark.jobs.$job" "$@"
    ;;
*)
    echo "spark-entrypoint: want 'driver', 'executor' or a job: $(cd /opt/spark-apps && echo spark_*.py)" >&2
    exit 2
    ;;
esac
