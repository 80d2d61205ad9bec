# SPDX-License-Identifier: MPL-2.0
"""doc/openapi.yaml as something that can say no: the part of OpenAPI 3.0 that
stands in it, and nothing else (a keyword it does not know is an error)."""
import json
import re

import yaml

from fakeagent import Https
from miglib import ROOT

DOC = yaml.safe_load((ROOT / "doc" / "openapi.yaml").read_text())
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool,
         "integer": int}
KNOWN = {"type", "required", "additionalProperties", "properties", "items",
         "enum", "pattern", "nullable", "description"}


def resolve(node):
    while "$ref" in node:
        here = DOC
        for word in node["$ref"].removeprefix("#/").split("/"):
            here = here[word]
        node = here
    return node


def check(value, schema, where="answer"):
    schema = resolve(schema)
    if set(schema) == {"oneOf"}:
        fits = [s for s in schema["oneOf"] if says(value, s, where) is None]
        assert len(fits) == 1, (where, [says(value, s, where) for s in schema["oneOf"]])
        return
    assert set(schema) <= KNOWN, (where, set(schema) - KNOWN)
    if value is None and schema.get("nullable"):
        return
    kind = TYPES[schema["type"]]
    assert isinstance(value, kind) and \
        not (kind is int and isinstance(value, bool)), (where, value)
    if "enum" in schema:
        assert value in schema["enum"], (where, value)
    if "pattern" in schema:
        assert re.search(schema["pattern"], value), (where, value)
    if kind is list:
        for i, v in enumerate(value):
            check(v, schema["items"], f"{where}[{i}]")
    if kind is dict:
        props = schema.get("properties", {})
        missing = set(schema.get("required", ())) - set(value)
        assert not missing, (where, "missing", missing)
        if schema.get("additionalProperties") is False:
            assert set(value) <= set(props), (where, set(value) - set(props))
        for k in set(value) & set(props):
            check(value[k], props[k], f"{where}.{k}")


def says(value, schema, where):
    """Why not, or None."""
    try:
        check(value, schema, where)
    except AssertionError as e:
        return str(e)
    return None


def find(method, path):
    """Path and operation of a request; None when it is not described."""
    path = path.split("?")[0]
    for pattern, item in DOC["paths"].items():
        if re.fullmatch(pattern.replace("{id}", "[^/]+"), path) and \
                method.lower() in item:
            return pattern, item[method.lower()]
    return None


class Checked(Https):
    """Every answer is held against the description; seen: what was."""
    seen = set()

    def check(self, method, path, status, headers, data):
        found = find(method, path)
        if found is None:
            assert status in (404, 405), (method, path, status)
            return
        where = f"{method} {found[0]} {status}"
        if status >= 400 and str(status) not in found[1]["responses"]:
            check(json.loads(data),
                  DOC["components"]["schemas"]["Error"], where)
            return
        response = resolve(found[1]["responses"][str(status)])
        (kind, media), = response["content"].items()
        assert headers["Content-Type"].split(";")[0] == kind or \
            kind == "application/octet-stream", where
        if kind == "application/json":
            check(json.loads(data), media["schema"], where)
        elif kind == "application/x-ndjson":
            for line in data.splitlines():
                check(json.loads(line), media["schema"], where)
        Checked.seen.add((method, found[0]))

    def raw(self, method, path, body=None, headers=None):
        status, head, data = super().raw(method, path, body, headers)
        self.check(method, path, status, head, data)
        return status, head, data
