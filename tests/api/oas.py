"""schema/openapi.yaml, and whether an answer is one that it describes."""
import json
import pathlib
import re

import yaml
from jsonschema import Draft202012Validator, RefResolver

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = yaml.safe_load((ROOT / "schema" / "openapi.yaml").read_text())
METHODS = ("get", "put", "post", "patch", "delete", "head")
_resolver = RefResolver.from_schema(DOCUMENT)
_templates = [(re.compile("^" + re.sub(r"\{\w+\}", "[^/]+", path) + "$"), path)
              for path in sorted(DOCUMENT["paths"], key=lambda p: "{" in p)]


def resolve(node):
    while "$ref" in node:
        _, node = _resolver.resolve(node["$ref"])
    return node


def find(method, target):
    """The operation that the document has for a request target, and its path; else None."""
    path = target.split("?", 1)[0]
    if len(path) > 1 and path.endswith("/"):
        path = path[:-1]
    for pattern, template in _templates:
        operation = DOCUMENT["paths"][template].get(method.lower())
        if pattern.match(path) and operation:
            return template, operation
    return None


def operations():
    return {(method.upper(), path) for path, item in DOCUMENT["paths"].items()
            for method in METHODS if method in item}


def problems_of(schema, document):
    validator = Draft202012Validator(schema, resolver=_resolver)
    return [f"{list(e.absolute_path)}: {e.message}" for e in validator.iter_errors(document)]


def check_response(method, target, answer):
    """Raises AssertionError unless the document describes this answer. True: it has the route."""
    found = find(method, target)
    if not found or (answer.status == 404 and "%" in target):  # an escape may hold a slash
        return False
    template, operation = found
    where = f"{method} {template} -> {answer.status}"
    declared = operation["responses"].get(str(answer.status))
    assert declared, f"{where}: not in openapi.yaml: {answer}"
    declared = resolve(declared)
    for name, header in declared.get("headers", {}).items():
        assert answer.all(name) or not header.get("required"), f"{where}: {name} is missing: {answer}"
    content = declared.get("content", {})
    if not content:
        assert answer.body == b"", f"{where}: unexpected body: {answer}"
        return True
    if not answer.body:
        assert answer.status in (201, 406) or method == "HEAD", f"{where}: no body: {answer}"
        return True
    media_type = (answer.header("content-type") or "").split(";")[0].strip()
    assert media_type in content, f"{where}: {media_type} is not in openapi.yaml: {answer}"
    if media_type == "application/json" and "schema" in content[media_type]:
        problems = problems_of(content[media_type]["schema"], json.loads(answer.body))
        assert not problems, f"{where}: {problems}: {answer}"
    return True
