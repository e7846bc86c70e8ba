"""The scripted story: a real instance of its own, a real attack, a real answer, a real proof."""
