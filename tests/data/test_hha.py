import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from kseg.data.hha import KINECT, Camera, gravity, hha, normals

SIZE = (90, 120)
CAMERA = Camera(fx=110.0, fy=112.0, cx=60.5, cy=44.0)
# Planes of a room around a camera that is 1.2 m above the floor, in metres and in the
# room's own directions: right, down, forward. `normal . point = distance`.
PLANES = {
    "floor": ((0, 1, 0), 1.2),
    "ceiling": ((0, -1, 0), 1.5),
    "back": ((0, 0, 1), 4.0),
    "left": ((-1, 0, 0), 1.6),
    "right": ((1, 0, 0), 1.9),
}
ANGLES = {"floor": 38, "ceiling": 218, "back": 128, "left": 128, "right": 128}


def room(pitch=0.0, roll=0.0, planes=PLANES, size=SIZE, camera=CAMERA):
    """Casts a ray through each pixel, of a camera that is pitched down and rolled.

    Returns the depth, the name of the plane that is seen, its height above the floor in
    centimetres, and gravity as the camera sees it.
    """
    turn = Rotation.from_euler("zx", [roll, -pitch], degrees=True).as_matrix()
    rows, columns = np.mgrid[: size[0], : size[1]]
    rays = np.stack(
        [
            (columns - camera.cx) / camera.fx,
            (rows - camera.cy) / camera.fy,
            np.ones(size),
        ],
        axis=-1,
    )
    rays = rays @ turn.T  # in the room's directions, at a depth of 1
    names = [*planes]
    depths = []
    for normal, distance in planes.values():
        along = rays @ np.array(normal, float)
        depths.append(np.where(along > 1e-9, distance / np.maximum(along, 1e-9), 1e9))
    nearest = np.argmin(depths, axis=0)
    depth = np.min(depths, axis=0)
    height = 100 * (1.2 - (rays * depth[..., None])[..., 1])
    return depth, np.array(names)[nearest], height, turn.T @ [0, 1, 0]


def inside(seen, radius):
    """Where the whole window around a pixel sees one plane."""
    same = np.ones(seen.shape, bool)
    for down in range(-radius, radius + 1):
        for right in range(-radius, radius + 1):
            same &= np.roll(seen, (down, right), (0, 1)) == seen
    same[:radius] = same[-radius:] = False
    same[:, :radius] = same[:, -radius:] = False
    return same


@pytest.mark.parametrize(("pitch", "roll"), [(0, 0), (15, 0), (25, -8), (-10, 5)])
def test_a_room_is_seen_from_its_floor(pitch, roll):
    depth, seen, height, down = room(pitch, roll)
    whole = np.ones(SIZE, bool)
    found = gravity(normals(depth, whole, 10, CAMERA))
    # Windows over two planes bend it a little.
    assert np.degrees(np.arccos(found @ down)) < 2.5

    image = hha(depth, camera=CAMERA).astype(int)
    assert image.shape == (*SIZE, 3)
    np.testing.assert_array_equal(
        image[..., 0], np.rint(np.minimum(255, 310 / np.maximum(depth, 1)))
    )
    plain = inside(seen, 3)
    assert {"floor" if pitch >= 0 else "ceiling", "back"} <= {*np.unique(seen[plain])}
    for plane in np.unique(seen[plain]):
        angle = image[plain & (seen == plane), 2]
        assert abs(np.median(angle) - ANGLES[plane]) <= 3, plane
    if pitch >= 0:  # the floor is seen
        error = image[..., 1] - np.minimum(height, 255)
        assert np.abs(error).max() <= 0.035 * 100 * depth.max()


def test_without_tilt_it_is_exact():
    """Where every window sees one plane, nothing is approximate."""
    planes = {"floor": PLANES["floor"], "back": PLANES["back"]}
    depth, seen, height, _ = room(planes=planes)
    image = hha(depth, camera=CAMERA).astype(int)
    np.testing.assert_allclose(image[..., 1], height.clip(0, 255), atol=2)
    plain = inside(seen, 3)
    for plane, angle in (("floor", 38), ("back", 128)):
        assert (plain & (seen == plane)).sum() > 500
        assert np.abs(image[plain & (seen == plane), 2] - angle).max() <= 1


def test_the_normal_of_a_plane_is_found_whatever_is_missing():
    normal = np.array([0.3, 0.5, 0.8])
    normal /= np.linalg.norm(normal)
    depth, *_ = room(planes={"plane": (normal, 2.0)})
    rng = np.random.default_rng(0)
    measured = rng.random(SIZE) < 0.5
    spoilt = np.where(measured, depth, rng.random(SIZE))
    for radius in (3, 10):
        found = normals(spoilt, measured, radius, CAMERA)
        np.testing.assert_allclose(found, np.broadcast_to(normal, found.shape), 1e-6)


def test_too_few_pixels_have_no_normal():
    depth = np.full((9, 9), 2.0)
    measured = np.zeros((9, 9), bool)
    measured[4, 3:6] = True  # in a line
    assert np.isnan(normals(depth, measured, 3)).all()
    measured[5, 4] = True
    np.testing.assert_allclose(normals(depth, measured, 3)[4, 4], [0, 0, 1], atol=1e-9)


def test_a_floor_just_below_the_camera_is_none():
    """A table top 40 cm below the camera is taken to be 90 cm above a floor."""
    table = {"table": ((0, 1, 0), 0.4), "back": ((0, 0, 1), 0.9)}
    depth, *_ = room(planes=table)
    lowest = hha(depth, camera=CAMERA)[..., 1].min()
    down = (np.arange(SIZE[0]) - CAMERA.cy).max() / CAMERA.fy
    assert lowest == pytest.approx(130 - 100 * min(0.4, 0.9 * down), abs=2)


def test_what_has_no_depth_is_zero():
    depth, *_ = room(10)
    depth[20:40, 30:60] = 0
    depth[50:55, 10:30] = np.nan
    image = hha(depth, camera=CAMERA)
    empty = ~(depth > 0)
    assert (image[empty] == 0).all()
    assert (image[~empty] > 0).any(axis=-1).all()
    assert not hha(np.zeros((5, 6))).any()


def test_filled_depth_does_not_count_for_normals():
    depth, seen, *_ = room(10)
    filled, missing = depth.copy(), np.zeros(SIZE, bool)
    missing[60:70, 40:60] = True
    filled[missing] = 0.8
    without = hha(filled, camera=CAMERA)
    with_missing = hha(filled, missing, CAMERA)
    floor = (seen == "floor") & inside(seen, 3)
    around = floor & ~missing
    assert np.abs(with_missing[around, 2].astype(int) - 38).max() <= 3
    assert np.abs(without[around, 2].astype(int) - 38).max() > 20
    assert (with_missing[missing, 0] == 255).all()  # but they have a depth


def test_gravity_without_normals_is_the_cameras_down():
    np.testing.assert_array_equal(gravity(np.full((4, 3), np.nan)), [0, 1, 0])


def test_the_camera_is_that_of_the_data_set():
    # Its toolbox counts pixels from 1.
    assert (round(KINECT.cx + 1, 2), round(KINECT.cy + 1, 2)) == (325.58, 253.74)


def test_wrong_sizes_are_errors():
    with pytest.raises(ValueError, match=r"\(height, width\).*\(2, 3, 4\)"):
        hha(np.ones((2, 3, 4)))
    with pytest.raises(ValueError, match=r"`missing`.*\(2, 3\) for \(3, 2\)"):
        hha(np.ones((3, 2)), np.zeros((2, 3), bool))
