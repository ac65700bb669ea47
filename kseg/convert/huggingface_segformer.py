"""Checkpoints of SegFormer by Hugging Face.

The names are those of `models/segformer/modeling_segformer.py` of the library
`transformers`: those of the published files, and the ones that version 5 saves.
https://huggingface.co/docs/transformers/model_doc/segformer
"""

import re
from typing import Any

from kseg.backbones.fill import Tensors
from kseg.convert.notes import Notes, named
from kseg.convert.recipe import Options, Recipe, count_of, modules_of
from kseg.labels import Labels

FORMS = (
    "SegformerForSemanticSegmentation of MiT-B0 to MiT-B5, and "
    "SegformerForImageClassification, whose backbone `segformer` takes"
)
# What version 5 of the library saves, as the published files have it.
_OLD_NAMES = (
    (r"segformer\.stages\.(\d)\.", r"segformer.encoder.\1."),
    (r"encoder\.(\d)\.patch_embeddings\.", r"encoder.patch_embeddings.\1."),
    (r"encoder\.(\d)\.blocks\.", r"encoder.block.\1."),
    (r"encoder\.(\d)\.layer_norm\.", r"encoder.layer_norm.\1."),
    (r"sequence_reduction\.sequence_reduction", "self.sr"),
    (r"sequence_reduction\.layer_norm", "self.layer_norm"),
    (r"attention\.q_proj", "attention.self.query"),
    (r"attention\.k_proj", "attention.self.key"),
    (r"attention\.v_proj", "attention.self.value"),
    (r"attention\.o_proj", "attention.output.dense"),
    (r"layernorm_before", "layer_norm_1"),
    (r"layernorm_after", "layer_norm_2"),
    (r"mlp\.fc", "mlp.dense"),
    (r"linear_projections\.", "linear_c."),
)
# Channels of stage 1 and units of the four stages: table 6 of the paper.
_SIZES: dict[tuple[int, ...], str] = {
    (32, 2, 2, 2, 2): "b0",
    (64, 2, 2, 2, 2): "b1",
    (64, 3, 4, 6, 3): "b2",
    (64, 3, 4, 18, 3): "b3",
    (64, 3, 8, 27, 3): "b4",
    (64, 3, 6, 40, 3): "b5",
}


def recipe(tensors: Tensors, options: Options) -> Recipe | None:
    """Says what SegFormer a checkpoint is.

    Args:
        tensors: Arrays by the names of a state dictionary.
        options: Arguments of `kseg.build` that no tensor shows.

    Returns:
        How to convert it, or `None` if it is not one of `FORMS`.
    """
    tensors = {_old_name(name): value for name, value in tensors.items()}
    backbone = mit_backbone(tensors, "segformer.encoder.")
    if backbone is None:
        return None
    layers = {}
    for module in modules_of(tensors):
        inside = re.sub(r"^(segformer\.encoder|decode_head)\.", "", module)
        if inside != module:
            layers[module] = inside.replace(".", "_")
    arguments: dict[str, Any] = {"backbone": backbone}
    if "decode_head.classifier.weight" not in tensors:
        return Recipe(None, arguments, tensors, layers)
    arguments["filters"] = len(tensors["decode_head.linear_fuse.weight"])
    arguments["num_classes"] = len(tensors["decode_head.classifier.weight"])
    return Recipe("segformer", arguments | dict(options), tensors, layers)


def labels(notes: Notes) -> Labels | None:
    """Reads the classes from the `config.json` beside a checkpoint.

    Args:
        notes: `config` has them under `id2label`.
    """
    names = notes.config.get("id2label")
    if not isinstance(names, dict) or set(names) != {str(i) for i in range(len(names))}:
        return None
    return named([names[str(i)] for i in range(len(names))])


def mit_backbone(tensors: Tensors, prefix: str) -> str | None:
    """Returns the name of the MiT in a checkpoint, or `None`.

    Args:
        tensors: Arrays by the names that the published files have.
        prefix: What stands in front of these names.
    """
    first = tensors.get(f"{prefix}patch_embeddings.0.proj.weight")
    if first is None:
        return None
    start = re.escape(prefix)
    units = (count_of(tensors, rf"{start}block\.{i}\.(\d+)\.") for i in range(4))
    size = _SIZES.get((len(first), *units))
    return f"mit_{size}" if size else None


def _old_name(name):
    """Returns the name that a tensor has in the published files."""
    for new, old in _OLD_NAMES:
        name = re.sub(new, old, name)
    return name
