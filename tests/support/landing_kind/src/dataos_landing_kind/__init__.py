"""The kind `landing`: a folder that others drop files into. See docs/howto/write-a-kind.md."""

from dataos.manifest.registry import KindDescriptor

KIND = KindDescriptor(
    "landing",
    instance_level=False,
    versions=("v1",),
    spec="dataos_landing_kind.spec:read",
    controller="dataos_landing_kind.controller:LandingController",
)
