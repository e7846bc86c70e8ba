"""Questions, decisions, bundles and risk: values and arithmetic, no I/O."""
