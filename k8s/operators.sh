#!/usr/bin/env bash
# Installs or upgrades the operators at their pinned versions, each before what needs it.
#   OPERATORS="strimzi minio-operator spark-operator"   which ones (default), and: kube-prometheus-stack keda
set -euo pipefail
cd "$(dirname "$0")"

operator() { # NAME NAMESPACE VERSION CHART [REPOSITORY]
    [[ " ${OPERATORS:-strimzi minio-operator spark-operator} " == *" $1 "* ]] || return 0
    echo "== $1 $3"
    helm upgrade --install "$1" "$4" ${5:+--repo "$5"} --version "$3" --namespace "$2" \
        --values "operators/$1.yaml" --wait --timeout 10m
}

kubectl apply --server-side -f namespaces.yaml
operator kube-prometheus-stack monitoring 88.5.3 kube-prometheus-stack https://prometheus-community.github.io/helm-charts
operator strimzi strimzi-system 1.2.0 oci://quay.io/strimzi-helm/strimzi-kafka-operator
operator minio-operator minio-operator 7.1.1 operator https://operator.min.io
operator spark-operator spark-operator 2.5.2 spark-operator https://kubeflow.github.io/spark-operator
operator keda keda 2.21.0 keda https://kedacore.github.io/charts
