"""How near images come to others, and how sharp they are: one value per image, shape (n,).

x, y: (n, 28, 28, 1) with values in [0, 1]; ValueError for other shapes.
"""

import numpy as np
from scipy.ndimage import laplace
from skimage.metrics import structural_similarity

# The settings of Wang et al. 2004: a Gaussian window of 11 x 11 pixels, K1 = 0.01, K2 = 0.03
WANG = dict(data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)


def _pairs(x, y):
    """Both as float64, of the shape that they must have."""
    x, y = np.asarray(x, "float64"), np.asarray(y, "float64")
    if {x.shape, y.shape} != {(len(x), 28, 28, 1)}:
        raise ValueError(f"images of shapes {x.shape} and {y.shape}, not both (n, 28, 28, 1)")
    return x, y


def psnr(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio, 10 log10(1 / mean squared error): decibels; infinite if equal."""
    x, y = _pairs(x, y)
    with np.errstate(divide="ignore"):
        return -10 * np.log10(np.square(x - y).mean(axis=(1, 2, 3)))


def ssim(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Structural similarity (Wang, Bovik, Sheikh & Simoncelli 2004), the paper's: 1 if equal.

    Averaged over the 18 x 18 positions where the window lies within the image.
    """
    pairs = zip(*_pairs(x, y), strict=True)
    return np.array([structural_similarity(a[..., 0], b[..., 0], **WANG) for a, b in pairs])


def sharpness(x: np.ndarray) -> np.ndarray:
    """Variance of the Laplacian over the pixels: the larger, the sharper the edges.

    Pech-Pacheco et al. 2000; Pertuz, Puig & Garcia 2013. Five-point stencil; pixels are mirrored at
    the border. It grows with contrast squared and with noise: compare images of the same kind.
    """
    return laplace(_pairs(x, x)[0][..., 0], mode="reflect", axes=(1, 2)).var(axis=(1, 2))
