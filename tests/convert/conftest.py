"""Lets PyTorch be imported beside TensorFlow, and torchvision where it is cut down."""

import sys
import types

# Imported after TensorFlow, Triton brings the process down; PyTorch can do without.
sys.modules.setdefault("triton", None)
# Shapes of compiled operators that no network here has, and some builds have not.
_SHAPES = "torchvision._meta_registrations"
sys.modules.setdefault(_SHAPES, types.ModuleType(_SHAPES))
