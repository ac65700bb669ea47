"""The networks of PyTorch that kseg has, too, weight for weight."""

import shutil
import sys
import types

# Shapes of compiled operators that no network here has, and some builds have not.
_SHAPES = "torchvision._meta_registrations"
sys.modules.setdefault(_SHAPES, types.ModuleType(_SHAPES))

import torch  # noqa: E402

CLASSES = 21


def build(library: str, name: str, encoder: str) -> torch.nn.Module:
    """Builds a network with weights drawn at random.

    Args:
        library: `"smp"`, segmentation_models_pytorch, or `"torchvision"`.
        name: What it calls the network.
        encoder: What it calls the trunk.

    Raises:
        ImportError: If the library is missing.
    """
    if library == "torchvision":
        from torchvision.models import segmentation

        model = getattr(segmentation, f"{name}_{encoder}")(
            weights=None, weights_backbone=None, num_classes=CLASSES, aux_loss=False
        )
        return _Logits(model)
    import segmentation_models_pytorch as smp

    model = getattr(smp, name)(encoder, encoder_weights=None, classes=CLASSES)
    if encoder == "mobilenet_v2":
        _leave_out_last_layer(model)
    return model


class _Logits(torch.nn.Module):
    """A network of torchvision that returns its logits alone."""

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.model = model

    def forward(self, images):
        return self.model(images)["out"]


def _leave_out_last_layer(model: torch.nn.Module) -> None:
    """Ends MobileNetV2 with 320 channels, as in DeepLab and kseg, and not with 1280."""
    from segmentation_models_pytorch.decoders.deeplabv3.decoder import (
        DeepLabV3PlusDecoder,
    )

    encoder = model.encoder
    encoder.features = encoder.features[:-1]
    encoder._out_indexes[-1] = len(encoder.features) - 1
    encoder._out_channels = [*encoder._out_channels[:-1], 320]
    model.decoder = DeepLabV3PlusDecoder(
        encoder_channels=encoder.out_channels,
        encoder_depth=5,
        out_channels=256,
        atrous_rates=(12, 24, 36),
        output_stride=16,
        aspp_separable=True,
        aspp_dropout=0.5,
    )


def device() -> torch.device:
    """Returns the GPU, or the CPU where there is none."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def synchronise() -> None:
    """Waits until the GPU has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def device_facts() -> dict:
    """Returns what a GPU is called, and the most of its memory that was taken."""
    if not torch.cuda.is_available():
        return {}
    return {
        "device": torch.cuda.get_device_name(),
        "device_bytes": torch.cuda.max_memory_allocated(),
    }


def compiled(model: torch.nn.Module):
    """Returns what PyTorch compiles of a network.

    Raises:
        ImportError: If there is no compiler of C++, which it needs.
    """
    if not shutil.which("g++"):
        raise ImportError("there is no g++")
    return torch.compile(model)
