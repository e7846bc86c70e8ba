"""How often who may ask: values and arithmetic, no I/O."""
