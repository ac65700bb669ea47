"""What tests share: the reference data beside the repository, and a tiny data set."""

import fnmatch
import gc
import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]

# What a test has XLA compile runs a few times: to optimise it takes more than it saves.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
)

# Networks are many objects that live long: to look through them often takes a twentieth
# of the time.
gc.set_threshold(100_000, 20, 100)

# Marked `slow`: large variants of tests whose smaller ones run every time, and the same
# thing seen a second way.
SLOW = (
    "*test_complexity.py::test_tensorflow_counts*[[]deeplabv[12]*",
    "*test_complexity.py::test_tensorflow_counts*[[]fcn[13_]*",
    "*test_complexity.py::test_tensorflow_counts*[[]hrnet]",
    "*test_complexity.py::test_tensorflow_counts*[[]pspnet]",
    "*test_complexity.py::test_tensorflow_counts*[[]refinenet]",
    "*test_complexity.py::test_tensorflow_counts*[[]segnet_basic]",
    "*test_complexity.py::test_tensorflow_counts*[[]smp_*",
    "*test_every_network_converts.py::*-float32-*",
    "*test_every_network_converts.py::*-float16-*",
    "*test_every_network_converts.py::*-dynamic_range-*",
    "*test_every_network_converts.py::test_an_onnx_file*[[][!p]*",
    "*test_every_network.py::test_a_saved_model_takes_any_size[[][!dfu]*",
    "*test_every_network.py::test_a_saved_model_takes_any_size[[]deeplabv[12]*",
    "*test_every_network.py::test_every_variable_has_a_gradient*[[]ocrnet]",
    # One of a kind stays: unet, segnet, deeplabv3plus, segformer, hed and lraspp.
    "*test_every_network.py::test_jax_gives*[[]deconvnet]",
    "*test_every_network.py::test_jax_gives*[[]deeplabv[12]*",
    "*test_every_network.py::test_jax_gives*[[]deeplabv3]",
    "*test_every_network.py::test_jax_gives*[[]fcn*",
    "*test_every_network.py::test_jax_gives*[[]hrnet]",
    "*test_every_network.py::test_jax_gives*[[]ocrnet]",
    "*test_every_network.py::test_jax_gives*[[]pspnet]",
    "*test_every_network.py::test_jax_gives*[[]refinenet]",
    "*test_every_network.py::test_jax_gives*[[]segnet_basic]",
    "*test_every_network.py::test_jax_gives*[[]smp_*",
    # deeplabv3plus, lraspp, pspnet, segformer, segnet, unet and hed stay.
    "*test_every_network_converts.py::*[[]deconvnet-int8-*",
    "*test_every_network_converts.py::*[[]deeplabv[12]*-int8-*",
    "*test_every_network_converts.py::*[[]deeplabv3-int8-*",
    "*test_every_network_converts.py::*[[]fcn*-int8-*",
    "*test_every_network_converts.py::*[[]hrnet-int8-*",
    "*test_every_network_converts.py::*[[]ocrnet-int8-*",
    "*test_every_network_converts.py::*[[]refinenet-int8-*",
    "*test_every_network_converts.py::*[[]segnet_basic-int8-*",
    "*test_every_network_converts.py::*[[]smp_*-int8-*",
    "*test_every_network.py::test_every_variable_has_a_gradient*[[]smp_*",
    "*test_resnet.py::*[[]resnet152*",
    "*test_resnet.py::test_published_weights*resnet101*",
    "*test_every_backbone.py::*xception65*",
    "*test_hrnet.py::test_the_parameters*[[]hrnet_w[34]*",
    "*test_ocrnet.py::test_the_parameters*[[]hrnet_w48*",
    "*test_segformer.py::test_the_parameters*[[]mit_b[2345]*",
    "*test_deeplabv3*.py::test_the_parameters*[[]xception65*",
    "*test_deeplabv3*.py::test_the_parameters*[[]resnet101*",
    "*test_mask_metric.py::test_two_replicas_count_as_one",
    "*test_cross_entropy.py::test_fit_takes_them_elsewhere_too[[]two*",
    "*test_multipliers.py::test_replicas_train_as_one_device",
    "*test_scribblesup.py::test_a_run_that_was_stopped*",
    "*test_resized_loss.py::*[[]*xla*",
)


@pytest.fixture(scope="session")
def reference():
    """The folder of reference data and weights; tests that want it skip without."""
    folder = REPOSITORY.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("the reference data (../shared/data) is not there")
    return folder


@pytest.fixture(scope="session")
def scenes(tmp_path_factory):
    """A folder of six training and three validation street scenes of 48x64."""
    from kseg.data.synthetic import write_folder

    path = tmp_path_factory.mktemp("data") / "scenes"
    write_folder(path, num_train=6, num_validation=3, size=(48, 64))
    return path


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Marks what is slow; gives a process a file at a time, or a registered network.

    The latter with `-n` only: what a module builds once is then built once.
    """
    for item in items:
        if any(fnmatch.fnmatchcase(item.nodeid, pattern) for pattern in SLOW):
            item.add_marker(pytest.mark.slow)
    if not config.pluginmanager.hasplugin("xdist"):
        return
    for item in items:
        given = item.callspec.params if hasattr(item, "callspec") else {}
        network = given.get("name", given.get("model"))
        shared = item.path.stem.startswith("test_every_") and isinstance(network, str)
        group = f"{item.path}-{network}" if shared else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
