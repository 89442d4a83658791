"""A daemon made of its own OpenAPI document: it checks requests against the document, and answers samples of it."""

from __future__ import annotations

import json
import re
from typing import Any, Dict, List, Mapping, Tuple

import httpx
from surroundings import REPOSITORY

FILE = REPOSITORY / "docs/openapi.json"


class Contract:
    def __init__(self) -> None:
        self.document: Dict[str, Any] = json.loads(FILE.read_text())
        #: Operations that were asked for.
        self.asked: List[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        operation = self.operation(request.method, request.url.path)
        self.asked.append(operation["operationId"])
        parameters = {p["name"]: p for p in map(self.resolve, operation.get("parameters", ()))}
        for name in request.url.params:
            assert parameters[name]["in"] == "query", name
        body = operation.get("requestBody")
        if body is not None and "application/json" in body["content"]:
            sent = json.loads(request.content or b"{}")
            self.check(sent, body["content"]["application/json"]["schema"], operation["operationId"])
        else:
            assert body is not None or request.content == b"", operation["operationId"]
        status, answer = next((s, self.resolve(a)) for s, a in operation["responses"].items() if s.startswith("2"))
        content = answer.get("content", {})
        if "application/json" in content:
            return httpx.Response(int(status), json=self.sample(content["application/json"]["schema"]))
        if operation["operationId"] == "streamEvents":
            event = {"id": 1, "time": "2026-01-01T00:00:00Z", "type": "vm.removed", "vm_id": "x", "data": {}}
            return httpx.Response(int(status), content="\n" + json.dumps(event) + "\n")
        if operation["operationId"] == "listManifest":
            return httpx.Response(int(status), content=json.dumps({"entries": [], "end": True}) + "\n")
        if "application/x-ndjson" in content:
            lines = [
                {"type": "started", "process_id": 1, "pid": 2, "stdout_offset": 0, "stderr_offset": 0},
                {
                    "type": "exit",
                    "exit_code": 0,
                    "signal": None,
                    "timed_out": False,
                    "oom_killed": False,
                    "duration_ms": 1,
                },
            ]
            return httpx.Response(int(status), content="\n".join(map(json.dumps, lines)) + "\n")
        return httpx.Response(int(status), content=b"")

    def operation(self, method: str, path: str) -> Dict[str, Any]:
        found: List[Tuple[int, Dict[str, Any]]] = []
        for template, item in self.document["paths"].items():
            pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
            if re.fullmatch(pattern, path) and method.lower() in item:
                found.append((template.count("{"), item[method.lower()]))
        assert found, f"{method} {path} is not in the document"
        return min(found, key=lambda each: each[0])[1]

    def check(self, value: Any, schema: Mapping[str, Any], where: str) -> None:
        """Names of fields, all the way down, and that what is required is there."""
        schema = self.resolve(schema)
        if isinstance(value, dict) and "properties" in schema:
            for name, each in value.items():
                assert name in schema["properties"], f"{where}: {name} is not in the document"
                self.check(each, schema["properties"][name], f"{where}.{name}")
            assert set(schema.get("required", ())) <= set(value), f"{where}: something is missing"

    def resolve(self, schema: Any) -> Any:
        while "$ref" in schema:
            found: Any = self.document
            for part in schema["$ref"].split("/")[1:]:
                found = found[part]
            schema = found
        return schema

    def sample(self, schema: Mapping[str, Any]) -> Any:
        schema = self.resolve(schema)
        for choice in ("anyOf", "oneOf"):
            # Beside properties it is a condition on them.
            if choice in schema and "properties" not in schema:
                return self.sample(schema[choice][-1])
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        kind = schema.get("type")
        if isinstance(kind, list):
            return None if "null" in kind else self.sample({**schema, "type": kind[0]})
        if kind == "object":
            return {name: self.sample(each) for name, each in schema.get("properties", {}).items()}
        if kind == "array":
            return [self.sample(schema["items"])]
        if kind == "string":
            return "2026-01-02T03:04:05.678Z" if schema.get("format") == "date-time" else "text"
        return {"integer": 1, "number": 2, "boolean": True, "null": None}[str(kind)]
