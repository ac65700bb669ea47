"""OCRNet on HRNetV2-W48, Cityscapes.

python training/run.py cityscapes_ocrnet_w48 --set data.path=<folder of Cityscapes>

Published: 81.6 mean IoU on validation (the authors' README).
Recipe: HRNet/HRNet-Semantic-Segmentation: 484 epochs of 2,975 images, batches of 12
crops of 512x1024, class weights, .4 times the loss of the soft regions.
Departures: the weighted losses are divided by the number of pixels, the authors' by the
sum of their weights; half-pixel resizing (`network.align_corners=True` is theirs).
ImageNet weights: `kseg convert --from hrnet`, then `network.weights=...`; without, it
starts anew and stays far below.
"""

from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(
            name="ocrnet",
            num_classes=19,
            backbone="hrnet_w48",
            weights=None,
        ),
        data=dict(
            name="cityscapes",
            path=None,
            crop=(512, 1024),
            batch_size=12,
            scale=(0.5, 2.1),
            flip=0.5,
            brightness=0.0,
            contrast=0.0,
            saturation=0.0,
            val_size=(1024, 2048),
            val_batch_size=1,
        ),
        loss=dict(
            name="cross_entropy",
            class_weights=[
                0.8373,
                0.918,
                0.866,
                1.0345,
                1.0166,
                0.9969,
                0.9754,
                1.0489,
                0.8786,
                1.0023,
                0.9539,
                0.9843,
                1.1116,
                0.9037,
                1.0865,
                1.0955,
                1.0865,
                1.1529,
                1.0507,
            ],
        ),
        optimizer=dict(
            name="sgd",
            learning_rate=0.01,
            schedule="poly",
            power=0.9,
            momentum=0.9,
            weight_decay=5e-4,
        ),
        auxiliary=dict(outputs=["auxiliary"], weight=0.4),
        fit=dict(
            epochs=484,
            steps_per_epoch=247,
            seed=0,
            keep="last",
        ),
        export=dict(
            pictures=0,
            note="trained on Cityscapes: non-commercial use, by the "
            "agreement on its page",
        ),
    )
