"""A Resource as the reference shows it (ch01 3.2, 19.8): its manifest with what the server adds below."""

from __future__ import annotations

from typing import Any


def detailed(body: dict[str, Any]) -> dict[str, Any]:
    """Of the API's answer for one Resource."""
    return {
        **(body.get("manifest") or {}),
        "generation": body["generation"],
        "uid": body["uid"],
        "created": body["created"],
        "stamp": body["stamp"],
        "status": {
            "aggregateStatus": body["status"],
            "cloudKernelResources": body["cloudKernelResources"],
            "webServiceResources": body["webServiceResources"],
            "builderState": body["builder"],
            "runtimeState": {"status": body["runtime"]},
        },
    }
