"""Comparisons of images, against formulas written out and against another library."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.signal import convolve2d
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from helpers import data
from helpers.metrics import images


@pytest.fixture(scope="module")
def digits():
    return data.test_set(20)[0]


@pytest.fixture(scope="module")
def noisy(digits):
    noise = 0.2 * np.random.default_rng(0).standard_normal(digits.shape)
    return np.clip(digits + noise, 0, 1).astype("float32")


def blurred(digits, sigma):
    return gaussian_filter(digits, (0, sigma, sigma, 0))


def test_psnr_is_scikit_images(digits, noisy):
    expected = [
        peak_signal_noise_ratio(x, y, data_range=1) for x, y in zip(digits, noisy, strict=True)
    ]
    found = images.psnr(digits, noisy)
    assert found.shape == (20,) and found == pytest.approx(expected, rel=1e-5)
    assert np.ptp(found) > 0.01  # one value for each image


def test_psnr_of_known_errors():
    x = np.zeros((3, 28, 28, 1))
    y = x + np.array([0.1, 0.01, 1])[:, None, None, None]
    assert images.psnr(x, y) == pytest.approx([20, 40, 0])


def test_psnr_of_equal_images_is_infinite(digits, noisy):
    found = images.psnr(digits[:2], np.concatenate([digits[:1], noisy[1:2]]))
    assert found[0] == np.inf and found[1] < 30


def test_psnr_falls_with_noise_and_is_least_for_the_inverse(digits, noisy):
    assert np.all(images.psnr(digits, 0.5 * (digits + noisy)) > images.psnr(digits, noisy))
    assert np.all(images.psnr(digits, 1 - digits) < 3)  # negative control


def ssim_by_hand(x, y):
    """Equation by equation from the paper, for every window that lies within the image."""
    offsets = np.arange(11) - 5
    line = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2
    found = []
    for row in range(18):
        for column in range(18):
            a, b = (image[row : row + 11, column : column + 11].astype(float) for image in (x, y))
            mean_a, mean_b = (window * a).sum(), (window * b).sum()
            var_a, var_b = (window * (a - mean_a) ** 2).sum(), (window * (b - mean_b) ** 2).sum()
            both = (window * (a - mean_a) * (b - mean_b)).sum()
            luminance = (2 * mean_a * mean_b + 0.01**2) / (mean_a**2 + mean_b**2 + 0.01**2)
            found.append(luminance * (2 * both + 0.03**2) / (var_a + var_b + 0.03**2))
    return np.mean(found)


def test_ssim_is_the_papers_formula(digits, noisy):
    expected = [
        ssim_by_hand(x[..., 0], y[..., 0]) for x, y in zip(digits[:5], noisy[:5], strict=True)
    ]
    found = images.ssim(digits[:5], noisy[:5])
    assert found == pytest.approx(expected, abs=1e-9)
    flat = [
        structural_similarity(x[..., 0], y[..., 0], data_range=1)
        for x, y in zip(digits, noisy, strict=True)
    ]
    assert (
        np.abs(found - flat[:5]).min() > 0.001
    )  # negative control: the library's own settings are others


def test_ssim_is_one_for_equal_images_alone(digits, noisy):
    assert images.ssim(digits, digits) == pytest.approx(np.ones(20))
    assert np.all(images.ssim(digits, noisy) < 0.9)
    assert images.ssim(digits, noisy) == pytest.approx(images.ssim(noisy, digits))
    assert np.all(
        images.ssim(digits, 1 - digits) < 0
    )  # negative controls: the inverse, and noise alone
    assert np.all(images.ssim(digits, np.random.default_rng(0).random(digits.shape)) < 0.2)


def test_ssim_falls_with_every_blur(digits):
    found = [images.ssim(digits, blurred(digits, sigma)) for sigma in (0, 0.5, 1, 2)]
    assert np.all(np.diff(found, axis=0) < 0)


def test_sharpness_is_the_variance_of_the_laplacian(digits):
    stencil = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    rough = np.random.default_rng(0).random((3, 28, 28, 1))  # what happens at the border shows
    for x in (digits, rough):
        expected = [
            convolve2d(image[..., 0], stencil, "same", boundary="symm").var() for image in x
        ]
        assert images.sharpness(x) == pytest.approx(expected, rel=1e-5)


def test_sharpness_falls_with_every_blur(digits):
    found = [
        images.sharpness(x)
        for x in (digits, blurred(digits, 0.5), blurred(digits, 1), blurred(digits, 2))
    ]
    assert np.all(np.diff(found, axis=0) < 0)
    assert np.all(
        images.sharpness(np.full((2, 28, 28, 1), 0.7)) < 1e-20
    )  # negative control: nothing to see
    assert images.sharpness(0.5 * digits) == pytest.approx(images.sharpness(digits) / 4, rel=1e-5)


@pytest.mark.parametrize(
    "shapes", [((2, 28, 28, 1), (3, 28, 28, 1)), ((2, 28, 28), (2, 28, 28)), ((2, 784), (2, 784))]
)
@pytest.mark.parametrize(
    "function", [images.psnr, images.ssim, lambda x, y: images.sharpness(y[:, :14])]
)
def test_other_shapes_are_refused(function, shapes):
    with pytest.raises(ValueError, match=r"\(n, 28, 28, 1\)"):
        function(*map(np.zeros, shapes))


def test_no_images_give_no_values():
    none = np.zeros((0, 28, 28, 1))
    assert (
        images.psnr(none, none).shape
        == images.ssim(none, none).shape
        == images.sharpness(none).shape
        == (0,)
    )
