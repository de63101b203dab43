"""Floor 2: YAML to models. Loader that keeps line and column, meta section, interpolation, registry, validation."""
