"""What is rendered holds to Kubernetes' own schemas and to the operators' definitions, and has no unknown field."""

import functools
import os
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from stockpipe.standalone.go_programs import HELM_4
from support.charts import CHARTS, RENDERINGS, Document, Rendering, render, spark_applications

OLDEST, CLUSTER = "1.30", "1.34"
"""The oldest Kubernetes that Chart.yaml admits, and the one of the test cluster."""
GATEWAY = "gateway.networking.k8s.io"
CRDS = Path(os.environ.get("CRDS_DIR", CHARTS.parents[1] / "shared" / "crds"))


def is_custom(document: Document) -> bool:
    group = document["apiVersion"].split("/")[0]
    return ("." in group and not group.endswith(".k8s.io")) or group in ("sparkoperator.k8s.io", GATEWAY)


class _Loader(yaml.CSafeLoader):
    """Reads `=`, which YAML 1.1 reserves, as the text that it is."""


def _equals(loader: _Loader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:value", _equals)


@functools.cache
def custom_schema(api_version: str, kind: str) -> Any:
    """Return the schema of a custom resource; skip the test where there are no definitions."""
    if not CRDS.is_dir():
        pytest.skip(f"{CRDS} has no custom resource definitions; set CRDS_DIR to a folder of the operators' CRDs")
    for file in CRDS.glob("*.yaml"):
        text = file.read_text()
        for definition in yaml.load_all(text, _Loader) if f" kind: {kind}\n" in text else ():
            spec = definition["spec"]
            for version in spec["versions"]:
                if f"{spec['group']}/{version['name']}" == api_version and spec["names"]["kind"] == kind:
                    schema = strict(version["schema"]["openAPIV3Schema"])
                    schema["properties"]["metadata"] = {"type": "object"}
                    return schema
    raise LookupError(f"{CRDS} defines no {kind} of {api_version}")


def strict(schema: Any) -> Any:
    """Return an OpenAPI schema as a JSON schema that refuses unknown fields, as `kubectl apply` does."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if isinstance(schema, str):
        return "(?i)" + schema.replace("(?i)", "") if "(?i)" in schema else schema  # Go's flag may stand anywhere
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    # alternatives name some of an object's fields; the object itself names all
    result = {
        key: value if key in ("oneOf", "anyOf", "allOf", "not") else strict(value) for key, value in schema.items()
    }
    if isinstance(result.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        result.setdefault("additionalProperties", False)
    return result


@pytest.mark.parametrize("version", [OLDEST, CLUSTER])
@pytest.mark.parametrize("rendering", RENDERINGS, ids=str)
def test_kubernetes_own_kinds_hold_to_its_schemas(rendering: Rendering, version: str) -> None:
    documents = [each for each in render(HELM_4, rendering) if not is_custom(each)]
    assert documents
    for document in documents:
        kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize("rendering", RENDERINGS, ids=str)
def test_custom_resources_hold_to_the_operators_definitions(rendering: Rendering) -> None:
    documents = render(HELM_4, rendering)
    custom = [each for each in documents if is_custom(each) and not each["apiVersion"].startswith(GATEWAY)]
    custom += [application for _name, application in spark_applications(documents) if application not in custom]
    for document in custom:
        schema = custom_schema(document["apiVersion"], document["kind"])
        jsonschema.validate(document, schema, cls=jsonschema.Draft7Validator)


def test_a_route_holds_to_the_gateway_apis_definition() -> None:
    (production,) = [each for each in RENDERINGS if str(each) == "stock-pipeline-production"]
    (route,) = [each for each in render(HELM_4, production) if each["kind"] == "HTTPRoute"]
    try:
        schema = custom_schema(route["apiVersion"], route["kind"])
    except LookupError as error:
        pytest.skip(f"{error}; the Gateway API's standard channel does")
    jsonschema.validate(route, schema, cls=jsonschema.Draft7Validator)


def test_a_field_that_the_definition_lacks_is_refused() -> None:
    (kind,) = [each for each in RENDERINGS if str(each) == "stock-pipeline-kind"]
    (application,) = [each for each in render(HELM_4, kind) if each["kind"] == "SparkApplication"]
    schema = custom_schema(application["apiVersion"], application["kind"])
    wrong = application | {"spec": application["spec"] | {"drivers": {}}}
    with pytest.raises(jsonschema.ValidationError, match="'drivers' was unexpected"):
        jsonschema.validate(wrong, schema, cls=jsonschema.Draft7Validator)
