"""Lets torchvision be imported where its compiled operators are missing."""

import sys
import types

# It registers shapes of operators that no network here has.
_NAME = "torchvision._meta_registrations"
sys.modules.setdefault(_NAME, types.ModuleType(_NAME))
