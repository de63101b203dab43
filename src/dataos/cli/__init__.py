"""The command line: a Typer program over the Python SDK over HTTP. Imports core, manifest and client only."""
