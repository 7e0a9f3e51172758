"""A1: schema/openapi.yaml, the table of routes, and what the daemon answers say the same."""
import re

import pytest
import yaml

import iamd
import oas

DOCUMENT = oas.DOCUMENT


def routes():
    done = iamd.run("--print-routes")
    assert done.returncode == 0, done.stderr
    table = {tuple(line.split()[:2]) for line in done.stdout.decode().splitlines() if line.strip()}
    assert len(table) >= 20
    return table


def test_a1_each_route_is_in_the_document_and_each_path_of_it_is_a_route():
    described = {(m, p) for m, p in oas.operations() if m != "HEAD"}
    table = {(m, p) for m, p in routes() if m != "HEAD"}
    assert described - table == set(), "in the document only"
    assert table - described == set(), "in the table of routes only"


def test_a1_the_document_is_served_as_it_stands(nobody):
    answer = nobody.get("/internal/openapispec.yaml")
    assert answer.status == 200
    assert answer.header("content-type") == "application/x-yaml; charset=utf-8"
    assert answer.body == (oas.ROOT / "schema" / "openapi.yaml").read_bytes()
    assert yaml.safe_load(answer.body)["openapi"].startswith("3.1.")


def test_a1_what_needs_a_token_says_so(nobody):
    for method, path in sorted(oas.operations()):
        operation = DOCUMENT["paths"][path][method.lower()]
        is_public = operation.get("security", DOCUMENT["security"]) in ([], ) or {} in operation.get("security", [])
        target = path.replace("{uid}", "somebody")
        status = nobody(method, target, root=True, **({"json_": {}} if method in ("PUT", "POST", "PATCH") else {})).status
        assert (status == 401) == (not is_public), (method, path, status)


def test_every_operation_has_an_id_a_summary_and_a_tag():
    tags = {t["name"] for t in DOCUMENT["tags"]}
    ids = []
    for method, path in oas.operations():
        operation = DOCUMENT["paths"][path][method.lower()]
        ids.append(operation["operationId"])
        assert operation["summary"] and set(operation["tags"]) <= tags
    assert len(set(ids)) == len(ids)


def test_every_reference_leads_somewhere():
    text = (oas.ROOT / "schema" / "openapi.yaml").read_text()
    for reference in set(re.findall(r"'(#/components/[\w/]+)'", text)):
        node = DOCUMENT
        for part in reference[2:].split("/"):
            node = node[part]


def examples(node, where=""):
    """(place, schema, example) of every media type that has both."""
    if isinstance(node, dict):
        if "schema" in node and ("example" in node or "examples" in node):
            for value in [node["example"]] if "example" in node else [e["value"] for e in node["examples"].values()]:
                yield where, node["schema"], value
        for key, child in node.items():
            yield from examples(child, f"{where}/{key}")
    elif isinstance(node, list):
        for child in node:
            yield from examples(child, where)


@pytest.mark.parametrize("where, schema, example", list(examples(DOCUMENT)))
def test_every_example_obeys_its_schema(where, schema, example):
    assert oas.problems_of(schema, example) == []


@pytest.mark.parametrize("body, is_good", [
    ({"password": "x"}, True), ({"public_key": "x", "description": ""}, True), ({"x": 1}, False), ({"password": 1}, False),
    ({"provider_type": "nis"}, False)])
def test_the_request_schema_of_a_user_says_what_the_daemon_does(body, is_good):
    schema = DOCUMENT["components"]["schemas"]["UserCreate"]
    assert (oas.problems_of(schema, body) == []) == is_good


def test_a1_every_operation_was_called_by_some_test(request):
    if len(request.session.items) < 300:
        pytest.skip("a part of the tests is run")
    wanted = {(m, p) for m, p in oas.operations()}
    assert wanted - iamd.DESCRIBED - {("HEAD", "/metrics")} == set()
