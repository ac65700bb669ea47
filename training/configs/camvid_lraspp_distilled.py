"""LR-ASPP on MobileNetV2, taught by DeepLab v3+, on CamVid, 11 classes.

python training/run.py camvid_lraspp_distilled

The teacher is `saved_models/camvid_deeplabv3plus_mobilenet_v2`; without it the config
is that of `camvid_lraspp` with `network.backbone=mobilenet_v2 fit.epochs=20`.
Recipe: divergence per pixel at temperature 1 (Liu et al., "Structured Knowledge
Distillation for Semantic Segmentation", CVPR 2019, section 3.2); its weight is ours.
"""

from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(
            name="lraspp", num_classes=11, backbone="mobilenet_v2", weights="imagenet"
        ),
        data=dict(
            name="camvid",
            path=None,
            crop=(288, 384),
            batch_size=8,
            scale=(0.6, 1.6),
            val_size=(360, 480),
            val_batch_size=2,
        ),
        loss=dict(name="cross_entropy", class_weights="none"),
        distillation=dict(
            teacher="camvid_deeplabv3plus_mobilenet_v2", weight=1.0, temperature=1.0
        ),
        optimizer=dict(name="adamw", learning_rate=1e-3, power=0.9, weight_decay=0.01),
        fit=dict(epochs=20, seed=0, dtype_policy="mixed_bfloat16"),
        # CamVid's images are not ours to pass on.
        export=dict(
            formats=["float32", "int8"],
            pictures=0,
            note="trained on CamVid in SegNet's form, CC BY-NC 4.0: research use only",
        ),
    )
