"""OCRNet on HRNetV2-W48, PASCAL Context, 59 classes.

python training/run.py pascal_context_ocrnet_w48

Published: 56.2 mean IoU on validation; 50.1 with the background, `data.background=True
network.num_classes=60` (the authors' README).
Recipe: HRNet/HRNet-Semantic-Segmentation: 200 epochs of 4,998 images, batches of 16
crops of 520x520, what is not the backbone's at ten times the rate.
Departures: ImageNet weights: `kseg convert --from hrnet`, then `network.weights=...`;
without, it starts anew and stays far below.
"""

from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(
            name="ocrnet",
            num_classes=59,
            backbone="hrnet_w48",
            weights=None,
        ),
        data=dict(
            name="pascal_context",
            path=None,
            crop=(520, 520),
            batch_size=16,
            scale=(0.5, 2.1),
            flip=0.5,
            brightness=0.0,
            contrast=0.0,
            saturation=0.0,
            val_size=(500, 500),
        ),
        loss=dict(name="cross_entropy"),
        optimizer=dict(
            name="sgd",
            learning_rate=1e-3,
            schedule="poly",
            power=0.9,
            momentum=0.9,
            weight_decay=1e-4,
            multipliers={
                "regions*": 10.0,
                "pixels*": 10.0,
                "query_*": 10.0,
                "key_*": 10.0,
                "value*": 10.0,
                "context*": 10.0,
                "fuse*": 10.0,
                "classifier": 10.0,
            },
        ),
        auxiliary=dict(outputs=["auxiliary"], weight=0.4),
        fit=dict(
            epochs=200,
            steps_per_epoch=312,
            seed=0,
            keep="last",
        ),
        export=dict(
            pictures=0,
            note="trained on PASCAL Context, whose images are under "
            "Flickr's terms of use",
        ),
    )
