"""The program that runs a Flare job: `python -m dataos.stacks.flare.driver`.

It reads `$DATAOS_CONFIG_DIR/job.json`, starts an engine of its own (Sail) inside this process, and leaves
`$DATAOS_OUT_DIR/result.json`. It imports `core`, `manifest` and `client` only and never publishes: its commits carry
the attempt's token, and the server holds them back.
"""
