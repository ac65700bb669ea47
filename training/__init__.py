"""From a config to a trained, evaluated and exported model."""
