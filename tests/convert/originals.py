"""Networks of PyTorch with weights that leave nothing at rest, beside their copies."""

import keras
import numpy as np
import pytest

from kseg.convert import from_pytorch

torch = pytest.importorskip("torch")

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def randomise(module, seed=0):
    """Gives every tensor random values, statistics too, for inference."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, x in module.state_dict().items():
            if name.endswith(("running_var", "weight")) and x.ndim == 1:
                x.uniform_(0.6, 1.4, generator=generator)
            elif x.ndim > 1:
                # Less than ReLU's 2 / fan_in: gates would make rounding errors large.
                x.normal_(0, (1.4 / x[0].numel()) ** 0.5, generator=generator)
            elif x.is_floating_point() and x.ndim:
                x.normal_(0, 0.2, generator=generator)
    return module.eval()


def images(*size, batch=2):
    """Returns noise, float32 in 0 to 255."""
    rng = np.random.default_rng(0)
    return rng.uniform(0, 255, (batch, *size, 3)).astype("float32")


def normalised(pixels):
    """Returns what torchvision's presets make of images."""
    x = (pixels / 255 - np.array(MEAN)) / np.array(DEVIATION)
    return torch.from_numpy(x.astype("float32")).permute(0, 3, 1, 2)


def logits_of(module, pixels, align_corners=False):
    """Runs the original, and resizes its logits to the images."""
    with torch.no_grad():
        result = module(normalised(pixels))
        result = getattr(result, "logits", result)
        result = result["out"] if isinstance(result, dict) else result
        if result.shape[2:] != pixels.shape[1:3]:
            result = torch.nn.functional.interpolate(
                result,
                size=pixels.shape[1:3],
                mode="bilinear",
                align_corners=align_corners,
            )
    return result.permute(0, 2, 3, 1).numpy()


def convert(module, folder, source, wrap=lambda state: state, **options):
    """Saves the state dictionary as PyTorch does, and converts the file."""
    path = folder / "checkpoint.pth"
    torch.save(wrap(module.state_dict()), path)
    conversion = from_pytorch(path, source, **options)
    path.unlink()
    return conversion


def assert_same_logits(model, module, sizes, align_corners=False):
    """Compares to 1e-4 of the largest logit."""
    for size in sizes:
        pixels = images(*size)
        expected = logits_of(module, pixels, align_corners)
        assert_close(model(pixels, training=False), expected)


def assert_close(actual, expected):
    """Compares to 1e-4 of the largest number, of which there are different ones."""
    actual = keras.ops.convert_to_numpy(actual)
    assert actual.shape == expected.shape and actual.dtype == np.float32
    assert np.ptp(expected) > 1e-2
    np.testing.assert_allclose(actual, expected, atol=1e-4 * np.abs(expected).max())


def left_out(conversion):
    """Returns what the names begin with that are left out, without the counters."""
    return {
        name.split(".")[0]
        for name in conversion.left_out
        if not name.endswith("num_batches_tracked")
    }
