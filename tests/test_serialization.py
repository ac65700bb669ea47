import importlib
import inspect

import keras
import pytest


@pytest.mark.parametrize("theme", ["layers", "losses", "metrics", "optimizers"])
def test_a_saved_class_is_found_by_a_name_of_its_own(theme):
    for other in ("layers", "losses", "metrics", "optimizers"):
        importlib.import_module(f"kseg.{other}")
    module = importlib.import_module(f"kseg.{theme}")
    registered = set(keras.saving.get_custom_objects().values())
    for name, kind in inspect.getmembers(module, inspect.isclass):
        known = keras.saving.get_registered_name(kind)
        if known.startswith("kseg>"):
            assert keras.saving.get_registered_object(known) is kind, name
            assert kind in registered
