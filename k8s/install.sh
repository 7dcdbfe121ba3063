#!/usr/bin/env bash
# Installs or upgrades the two releases in the current kubectl context, waits until everything runs, and says where to
# look. The operators must be there (k8s/operators.sh), except with the values files of plain mode.
#   PLATFORM_VALUES="charts/platform/values-kind.yaml ..."            values files of the release `platform`
#   PIPELINE_VALUES="charts/stock-pipeline/values-kind.yaml ..."      values files of the release `stock-pipeline`
set -euo pipefail
cd "$(dirname "$0")/.."
namespace=stock-market
options=()
# Helm 4 leaves alone what others have set, such as replicas by `kubectl scale`, and fails; Helm 3 sets it.
[[ $(helm version --short) == v3* ]] || options=(--force-conflicts)

release() { # NAME VALUES...
    local name=$1 flags=()
    shift
    for file in "$@"; do flags+=(--values "$file"); done
    echo "== release $name"
    helm upgrade --install "$name" "charts/$name" --namespace $namespace "${flags[@]}" "${options[@]}" --wait --timeout 10m
}
wait_for() { kubectl -n $namespace wait --timeout=10m "$@"; }
# Ready may be of an older generation, and stays true while Kafka rolls.
settled() { # RESOURCE
    wait_for "$1" --for="jsonpath={.status.observedGeneration}=$(kubectl -n $namespace get "$1" -o jsonpath='{.metadata.generation}')"
    wait_for "$1" --for=condition=Ready
}

kubectl apply --server-side -f k8s/namespaces.yaml
# shellcheck disable=SC2086  # lists of files
release platform ${PLATFORM_VALUES:-charts/platform/values-kind.yaml}
# Helm doesn't wait for the operators' resources.
for kind in kafka kafkatopic kafkauser; do
    for resource in $(kubectl -n $namespace get $kind -o name --ignore-not-found 2>/dev/null); do settled "$resource"; done
done
for tenant in $(kubectl -n $namespace get tenant -o name --ignore-not-found 2>/dev/null); do
    wait_for "$tenant" --for='jsonpath={.status.currentState}=Initialized'
    wait_for "$tenant" --for='jsonpath={.status.healthStatus}=green'
done
# shellcheck disable=SC2086
release stock-pipeline ${PIPELINE_VALUES:-charts/stock-pipeline/values-kind.yaml}
for stream in $(kubectl -n $namespace get sparkapplication -l app.kubernetes.io/component=stream -o name 2>/dev/null); do
    wait_for "$stream" --for='jsonpath={.status.applicationState.state}=RUNNING'
done

echo
helm get notes stock-pipeline --namespace $namespace
echo "Secrets with passwords, in namespace $namespace:"
kubectl -n $namespace get secrets --no-headers -o custom-columns=:metadata.name | sed -nE '/^(stockpipe-.*|.*-root|stock-kafka-admin)$/s/^/  /p'
