"""ScribbleSup on scribbles of CamVid, with LR-ASPP on MobileNetV2.

kseg scribbles --data camvid --fraction 0.03 --output camvid_scribbles
python training/run.py camvid_scribblesup --set data.path=camvid_scribbles

Three rounds of labels by graph cut and training on them (Lin et al., CVPR 2016,
section 3.3), together as long as `camvid_scribbles`, which trains on scribbles alone;
`docs/results.md` has both. Full masks of validation choose nothing: the last epoch
counts. The paper trains DeepLab's VGG16.
"""

from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(
            name="lraspp", num_classes=11, backbone="mobilenet_v2", weights="imagenet"
        ),
        data=dict(
            name="folder",
            path="camvid_scribbles",
            crop=(240, 320),
            batch_size=8,
            scale=(0.6, 1.6),
            val_size=(360, 480),
            val_batch_size=2,
        ),
        weak=dict(rounds=3),
        loss=dict(name="cross_entropy", class_weights="none"),
        optimizer=dict(name="adamw", learning_rate=1e-3, power=0.9, weight_decay=0.01),
        fit=dict(epochs=4, seed=0, keep="last"),
        # CamVid's images are not ours to pass on.
        export=dict(
            formats=["float32", "int8"],
            pictures=0,
            note="trained on CamVid in SegNet's form, CC BY-NC 4.0: research use only",
        ),
    )
