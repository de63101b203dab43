"""The stack `script`: runs a Python text (standard library only) as user code. Shows all that a stack needs to be."""

from dataos.manifest.registry import StackDescriptor

STACK = StackDescriptor(
    "script",
    spec="dataos_script_stack.spec:read",
    planner="dataos_script_stack.plan:ScriptPlanner",
    versions=("1.0",),
    any_version=False,
    opaque_paths=("script",),
)
