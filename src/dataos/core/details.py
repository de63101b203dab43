"""A Resource as the reference shows it (ch01 3.2, 19.8): its manifest with what the server adds below."""

from __future__ import annotations

from typing import Any


def detailed(body: dict[str, Any]) -> dict[str, Any]:
    """Of the API's answer for one Resource. All its tags are there, those that the platform adds too."""
    manifest: dict[str, Any] = body.get("manifest") or {}
    shown: dict[str, Any] = {}
    for key, value in manifest.items():
        if key.lower() != "tags":
            shown[key] = value
        if key == "type":
            shown["tags"] = body["tags"]
    return {
        **shown,
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
