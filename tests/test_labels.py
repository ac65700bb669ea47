import json

import numpy as np
import pytest

from kseg.labels import Labels, default_colors, id_dtype

CAMVID_LIKE = Labels(("sky", "road"), ((128, 128, 128), (128, 64, 128)), 11)

# The first colours as the development kit of PASCAL VOC 2012 documents them.
VOC = {
    0: (0, 0, 0),  # background
    1: (128, 0, 0),  # aeroplane
    2: (0, 128, 0),  # bicycle
    3: (128, 128, 0),  # bird
    4: (0, 0, 128),  # boat
    7: (128, 128, 128),  # car
    8: (64, 0, 0),  # cat
    15: (192, 128, 128),  # person
    20: (0, 64, 128),  # tv/monitor
    255: (224, 224, 192),  # void
}


@pytest.mark.parametrize("identity", VOC)
def test_default_colours_are_those_of_pascal_voc(identity):
    assert default_colors(256)[identity] == VOC[identity]


def test_default_colours_differ():
    assert len(set(default_colors(256))) == 256


def test_a_class_has_an_id_a_name_and_a_colour():
    assert CAMVID_LIKE.num_classes == 2
    assert CAMVID_LIKE.to_dict() == {
        "classes": [
            {"id": 0, "name": "sky", "color": [128, 128, 128]},
            {"id": 1, "name": "road", "color": [128, 64, 128]},
        ],
        "ignore_class": 11,
    }


@pytest.mark.parametrize("labels", [CAMVID_LIKE, Labels.numbered(150)])
def test_a_dictionary_goes_through_json_and_back(labels):
    restored = Labels.from_dict(json.loads(json.dumps(labels.to_dict())))
    assert restored == labels
    assert hash(restored) == hash(labels)


def test_the_id_and_not_the_position_in_the_file_says_the_class():
    data = CAMVID_LIKE.to_dict()
    data["classes"].reverse()
    assert Labels.from_dict(data) == CAMVID_LIKE


def test_numbered_and_named_classes_have_default_colours():
    assert Labels.numbered(2).names == ("class_0", "class_1")
    assert Labels.named(["a", "b"]).colors == Labels.numbered(2).colors
    assert Labels.named(["a"], ignore_class=7).ignore_class == 7
    palette = np.array(Labels.numbered(21).colors, "uint8")
    assert palette.shape == (21, 3)


@pytest.mark.parametrize("ignore_class", [-1, 70000])
def test_ignore_class_must_fit_into_a_mask(ignore_class):
    assert Labels.numbered(11, ignore_class=11).ignore_class == 11
    with pytest.raises(ValueError, match="11 to 65535"):
        Labels.numbered(11, ignore_class=ignore_class)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((("a", "b"), ((0, 0, 0),)), "Received: 2 names and 1 colours"),
        ((("a", "a"), ((0, 0, 0), (1, 1, 1))), "names must differ.*'a', 'a'"),
        ((("a",), ((0, 0, 0),), 0), "an id that is no class.*1 to 65535"),
    ],
)
def test_wrong_classes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Labels(*arguments)


@pytest.mark.parametrize(
    ("count", "void"), [(2, 255), (255, 255), (256, 65535), (300, 65535)]
)
def test_void_is_never_a_class_by_default(count, void):
    names = [str(i) for i in range(count)]
    for labels in (Labels.numbered(count), Labels.of(count), Labels.named(names)):
        assert labels.ignore_class == void and labels.num_classes == count
    assert Labels.of(count).are_numbered and not Labels.of(names).are_numbered


def test_masks_and_predictions_have_the_least_type():
    """Void counts in a mask, and is never predicted."""
    assert Labels.numbered(255).mask_dtype == "uint8"
    assert Labels.numbered(256).mask_dtype == "uint16"
    assert id_dtype(256) == "uint8" and id_dtype(257) == "uint16"


@pytest.mark.parametrize("data", [{}, [], {"classes": [{"id": 0}]}, {"labels": 3}])
def test_a_dictionary_of_something_else_is_refused(data):
    with pytest.raises(ValueError, match="as kseg writes them.*Received"):
        Labels.from_dict(data)
