"""The OpenAPI document of the HTTP interface, written by hand: https://spec.openapis.org/oas/v3.1.0."""

from typing import Any

from .limits import PER_MINUTE
from .problems import TEXTS

_HEADERS: dict[str, Any] = {
    "ETag": {
        "description": "Another text whenever a value may be another. Nothing can be learned from it.",
        "required": True,
        "schema": {"type": "string", "pattern": '^"[0-9a-f]{64}"$'},
    },
    "Cache-Control": {"required": True, "schema": {"const": "no-store"}},
}


def _refusal(status: int, **headers: str) -> dict[str, Any]:
    return {
        "description": TEXTS[status][0],  # type: ignore[index]  # an HTTPStatus is an int
        "headers": {
            name: {"description": text, "required": True, "schema": {"type": "string"}}
            for name, text in headers.items()
        },
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


_AUTOMATION: dict[str, Any] = {
    "name": "automation",
    "in": "path",
    "required": True,
    "description": "The automation that the service token was created for.",
    "schema": {"type": "string", "format": "uuid"},
}

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "crewadmin",
        "version": "1",
        "description": "For automations: fetch the values of the environment variables when one starts; deploy one.",
    },
    "servers": [{"url": "/"}],
    "paths": {
        "/api/v1/automations/{automation}/environment": {
            "get": {
                "operationId": "getEnvironment",
                "summary": "Get the values of an automation's environment variables",
                "description": (
                    "All values or none. Secrets are read when asked for, so an answer can take several seconds; give "
                    "the request a deadline of 60. Of an automation that resolves when it is deployed: what was "
                    f"deployed last, 409 before that. A token may ask {PER_MINUTE} times a minute."
                ),
                "security": [{"serviceToken": []}],
                "parameters": [
                    _AUTOMATION,
                    {
                        "name": "If-None-Match",
                        "in": "header",
                        "description": "The ETag of an earlier answer: 304 if nothing has changed since.",
                        "schema": {"type": "string"},
                    },
                ],
                "responses": {
                    "200": {
                        "description": "Every variable has a value",
                        "headers": _HEADERS,
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/Environment"}},
                        },
                    },
                    "304": {"description": "Nothing has changed since the answer with this ETag", "headers": _HEADERS},
                    "401": _refusal(401, **{"WWW-Authenticate": "How to authenticate: with a bearer token."}),
                    "404": _refusal(404),
                    "409": _refusal(409),
                    "429": _refusal(429, **{"Retry-After": "Seconds to wait."}),
                    "500": _refusal(500),
                },
            }
        },
        "/api/v1/automations/{automation}/deployments": {
            "post": {
                "operationId": "deploy",
                "summary": "Deploy an automation",
                "description": (
                    "Reads every secret and keeps the values: an automation that resolves when it is deployed starts "
                    "with them until the next deployment. All variables or none; what was deployed before stays until "
                    f"then. For a service token that may deploy, {PER_MINUTE} requests a minute, all kinds together."
                ),
                "security": [{"serviceToken": []}],
                "parameters": [_AUTOMATION],
                "responses": {
                    "201": {
                        "description": "Deployed",
                        "headers": {"Cache-Control": _HEADERS["Cache-Control"]},
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/Deployment"}},
                        },
                    },
                    "401": _refusal(401, **{"WWW-Authenticate": "How to authenticate: with a bearer token."}),
                    "403": _refusal(403),
                    "404": _refusal(404),
                    "409": _refusal(409),
                    "429": _refusal(429, **{"Retry-After": "Seconds to wait."}),
                    "500": _refusal(500),
                },
            }
        },
        "/api/v1/openapi.json": {
            "get": {
                "operationId": "getDocument",
                "summary": "Get this document",
                "security": [],
                "responses": {
                    "200": {
                        "description": "This document",
                        "content": {"application/json": {"schema": {"type": "object"}}},
                    },
                    "500": _refusal(500),
                },
            }
        },
    },
    "components": {
        "securitySchemes": {
            "serviceToken": {
                "type": "http",
                "scheme": "bearer",
                "description": "A service token of the automation, shown once when it is created.",
            }
        },
        "schemas": {
            "Environment": {
                "type": "object",
                "required": ["automation", "variables"],
                "additionalProperties": False,
                "properties": {
                    "automation": {"type": "string", "format": "uuid"},
                    "variables": {
                        "type": "object",
                        "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
                        "additionalProperties": {"type": "string"},
                    },
                },
            },
            "Deployment": {
                "type": "object",
                "required": ["automation", "number", "variables", "created_at"],
                "additionalProperties": False,
                "properties": {
                    "automation": {"type": "string", "format": "uuid"},
                    "number": {"type": "integer", "minimum": 1, "description": "Counts the automation's deployments."},
                    "variables": {"type": "integer", "minimum": 0, "description": "How many have a value."},
                    "created_at": {"type": "string", "format": "date-time"},
                },
            },
            "Problem": {
                "type": "object",
                "description": "A problem document (RFC 9457). It never holds a value.",
                "required": ["type", "title", "status", "detail"],
                "additionalProperties": False,
                "properties": {
                    "type": {"const": "about:blank"},
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "detail": {"type": "string", "description": "What to do."},
                    "problems": {
                        "type": "array",
                        "description": "With 409: why each variable has no value.",
                        "items": {"$ref": "#/components/schemas/VariableProblem"},
                    },
                },
            },
            "VariableProblem": {
                "type": "object",
                "required": ["variable", "code", "title", "detail"],
                "additionalProperties": False,
                "properties": {
                    "variable": {"type": "string"},
                    "code": {"type": "string", "description": "Stays the same from release to release."},
                    "title": {"type": "string"},
                    "detail": {"type": "string", "description": "What to do."},
                },
            },
        },
    },
}
