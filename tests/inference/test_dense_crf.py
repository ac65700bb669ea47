import numpy as np
import pytest
from scipy.special import softmax

from kseg.inference import CRF_PARAMETERS, dense_crf
from kseg.layers.mean_field import NORMALIZATIONS

# What pydensecrf calls them.
THEIRS = {
    "symmetric": "NORMALIZE_SYMMETRIC",
    "after": "NORMALIZE_AFTER",
    "before": "NORMALIZE_BEFORE",
    "none": "NO_NORMALIZATION",
}
WEIGHTS = {"symmetric": (5, 3), "after": (5, 3), "before": (5, 3), "none": (0.05, 0.3)}


def scene(height, width, num_classes, channels=3, seed=0):
    """A picture of smooth regions, and noisy probabilities of its classes."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / rng.uniform(4, 9) + rng.uniform(0, 6)) for _ in range(channels)]
    image = np.stack([w * np.cos(y / rng.uniform(4, 9)) for w in waves], axis=-1)
    image = (127 + 100 * image + rng.normal(0, 5, image.shape)).clip(0, 255)
    probabilities = rng.dirichlet(np.full(num_classes, 0.5), (height, width))
    return image.astype("uint8"), probabilities.astype("float32")


def mean_field(image, probabilities, w1, s_alpha, s_beta, w2, s_gamma, norm, mu, steps):
    """Algorithm 1, one pair of pixels after the other."""
    height, width, num_classes = probabilities.shape
    places = [(y, x) for y in range(height) for x in range(width)]
    kernels = np.zeros((2, len(places), len(places)))
    for i, (y, x) in enumerate(places):
        for j, (v, u) in enumerate(places):
            far = (y - v) ** 2 + (x - u) ** 2
            color = ((image[y, x].astype(float) - image[v, u]) ** 2).sum()
            kernels[0, i, j] = np.exp(-far / 2 / s_alpha**2 - color / 2 / s_beta**2)
            kernels[1, i, j] = np.exp(-far / 2 / s_gamma**2)
    total = np.zeros((len(places), len(places)))
    for weight, kernel in zip((w1, w2), kernels, strict=True):
        n = kernel.sum(1)
        if norm == "symmetric":
            kernel = kernel / np.sqrt(np.outer(n, n))
        elif norm == "after":
            kernel = kernel / n[:, np.newaxis]
        elif norm == "before":
            kernel = kernel / n
        total += weight * kernel
    log = np.log(probabilities.reshape(-1, num_classes).astype(float))
    q = softmax(log, axis=1)
    for _ in range(steps):
        cost = np.zeros_like(q)
        for a in range(num_classes):
            for b in range(num_classes):
                cost[:, a] += mu[a, b] * (total @ q[:, b])
        q = softmax(log - cost, axis=1)
    return q.reshape(probabilities.shape)


@pytest.mark.parametrize("norm", NORMALIZATIONS)
@pytest.mark.parametrize("potts", [True, False])
def test_exact_mode_is_the_mean_field_of_the_paper(norm, potts):
    image, probabilities = scene(7, 9, 4)
    rng = np.random.default_rng(1)
    mu = 1 - np.eye(4) if potts else rng.uniform(-1, 1, (4, 4))
    w1, w2 = WEIGHTS[norm]
    expected = mean_field(image, probabilities, w1, 4, 30, w2, 2, norm, mu, 3)
    actual = dense_crf(
        image,
        probabilities,
        w1=w1,
        s_alpha=4,
        s_beta=30,
        w2=w2,
        s_gamma=2,
        iterations=3,
        normalization=norm,
        compatibility=None if potts else mu,
        exact=True,
    )
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, expected, atol=1e-4)
    assert np.abs(expected - probabilities).max() > 0.1


@pytest.mark.parametrize("norm", NORMALIZATIONS)
def test_the_lattice_is_that_of_pydensecrf(norm):
    densecrf = pytest.importorskip("pydensecrf.densecrf")
    image, probabilities = scene(60, 80, 5)
    w1, w2 = WEIGHTS[norm]
    theirs = densecrf.DenseCRF2D(80, 60, 5)
    energy = -np.log(probabilities.reshape(-1, 5).T)
    theirs.setUnaryEnergy(np.ascontiguousarray(energy))
    normalization = getattr(densecrf, THEIRS[norm])
    theirs.addPairwiseGaussian(sxy=3, compat=w2, normalization=normalization)
    theirs.addPairwiseBilateral(
        sxy=50, srgb=10, rgbim=image, compat=w1, normalization=normalization
    )
    expected = np.array(theirs.inference(10)).T.reshape(60, 80, 5)
    actual = dense_crf(
        image,
        probabilities,
        w1=w1,
        s_alpha=50,
        s_beta=10,
        w2=w2,
        s_gamma=3,
        normalization=norm,
    )
    same = np.abs(actual - expected).max(axis=-1) < 1e-3
    assert same.mean() > 0.995
    assert np.mean(actual.argmax(-1) != probabilities.argmax(-1)) > 0.1


def test_the_lattice_is_near_the_exact_sums():
    image, probabilities = scene(40, 60, 3)
    exact, near = (
        dense_crf(image, probabilities, s_alpha=15, s_beta=20, exact=exact)
        for exact in (True, False)
    )
    assert np.mean(exact.argmax(-1) == near.argmax(-1)) > 0.95


def test_logits_and_their_probabilities_give_the_same():
    image, probabilities = scene(12, 15, 3)
    logits = np.log(probabilities) + 5
    np.testing.assert_allclose(
        dense_crf(image, logits, "logits"),
        dense_crf(image, probabilities),
        atol=1e-4,
    )


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_images_of_any_number_of_channels(channels):
    image, probabilities = scene(12, 15, 3, channels)
    result = dense_crf(image, probabilities)
    np.testing.assert_allclose(result.sum(-1), 1, atol=1e-5)
    assert np.abs(result - probabilities).max() > 0.1


@pytest.mark.parametrize("options", [dict(iterations=0), dict(w1=0, w2=0)])
def test_without_messages_the_probabilities_stay(options):
    image, probabilities = scene(6, 7, 3)
    result = dense_crf(image, probabilities, **options)
    np.testing.assert_allclose(result, probabilities, atol=1e-6)


@pytest.mark.parametrize("exact", [True, False])
def test_turning_the_image_turns_the_result(exact):
    image, probabilities = scene(20, 30, 3)
    options = dict(s_alpha=10, s_beta=30, exact=exact)
    result = dense_crf(image, probabilities, **options)
    turned = dense_crf(np.rot90(image), np.rot90(probabilities), **options)
    # The lattice has an orientation of its own.
    assert np.abs(np.rot90(result) - turned).mean() < (1e-6 if exact else 0.05)


def test_published_parameters_are_arguments():
    image, probabilities = scene(8, 9, 3)
    for parameters in CRF_PARAMETERS.values():
        assert np.isfinite(dense_crf(image, probabilities, **parameters)).all()


IMAGE, PROBABILITIES = scene(4, 5, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(image=IMAGE[..., 0]), "`image` must be .*height, width, channels"),
        (dict(image=IMAGE * np.nan), "`image` must be finite"),
        (dict(scores=PROBABILITIES[:3]), r"height and width, \(4, 5\)"),
        (dict(scores=PROBABILITIES[..., :1]), "2 classes or more"),
        (dict(scores=PROBABILITIES * np.nan), "must be finite"),
        (dict(scores=PROBABILITIES * 2), "sum to 1 .* use scores_are='logits'"),
        (dict(scores=PROBABILITIES - [2, -1, -1]), "not be negative"),
        (dict(scores_are="energies"), "'probabilities' or 'logits'"),
        (dict(s_alpha=0), "`s_alpha` must be finite and above 0. Received: 0"),
        (dict(s_gamma=-1), "`s_gamma`"),
        (dict(w1=-1), "`w1` must be finite and 0 or more"),
        (dict(w2=np.inf), "`w2`"),
        (dict(iterations=-1), "`iterations`"),
        (dict(normalization="symetric"), "mean 'symmetric'"),
        (dict(iterations=1.5), "`iterations` must be an integer"),
        (dict(image=IMAGE * 1e20), "below 1e.09 standard deviations.*no data"),
        (dict(s_beta=1e-16), "standard deviations.*next to 0"),
        (dict(compatibility=np.eye(2)), r"\(3, 3\).*\(2, 2\)"),
    ],
)
def test_wrong_input_is_refused(options, message):
    arguments = dict(image=IMAGE, scores=PROBABILITIES) | options
    with pytest.raises(ValueError, match=message):
        dense_crf(**arguments)


def test_exact_mode_refuses_large_images():
    image, probabilities = scene(130, 130, 2)
    with pytest.raises(ValueError, match="130x130. Use exact=False"):
        dense_crf(image, probabilities, exact=True)
