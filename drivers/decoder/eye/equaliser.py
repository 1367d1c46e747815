"""Soft values of modules: how dark each one is, and how far that can be trusted.

What a blur or a movement smears from module to module is undone by a linear filter over the samples around each module.
The filter is trained on the modules every symbol has (finder, alignment and timing patterns) by ridge regression, then
again on its own clear decisions.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from drivers.decoder.eye.grid import MARGIN, SUB, Samples
from drivers.decoder.eye.symbol import with_version

Soft = NDArray[np.float32]
"""Soft modules, shape (size, size): positive = dark, about 1 for a clear module, 0 for one that says nothing."""

_TAPS = SUB // 2 + 2
"""The filter reaches so many samples to each side of a module's centre."""

_NEIGHBOURHOOD = 9
"""Modules per side over which brightness and contrast are normalised."""

_RIDGE = 0.02
_ROUNDS = 2
"""Rounds in which the filter learns from its own decisions."""

_SATURATED = 250
_TRUST_SATURATED = 0.35
_LEAST_CONTRAST = 1.0


@dataclass(frozen=True, slots=True)
class Equalised:
    """`soft` modules; `correlation` of the function patterns with what they must be, before any filter: 0 to 1."""

    soft: Soft
    correlation: float


def equalise(samples: Samples, version: int) -> Equalised:
    """Turn a straightened symbol with dark modules into soft modules."""
    known = with_version(version)
    size = len(known)
    normal, trust = _normalise(samples)
    features = _features(normal, size)
    is_known = ((known == 0) | (known == 1)).ravel()
    truth = np.where(known.ravel() == 1, 1.0, -1.0).astype(np.float32)
    prior = _box()
    soft = features @ prior
    correlation = float((soft * truth)[is_known].mean())
    weights, targets = is_known.astype(np.float32), truth
    for _ in range(1 + _ROUNDS):
        soft = features @ _ridge(features, weights, targets, prior)
        confidence = np.minimum(np.abs(soft) / max(float(np.median(np.abs(soft))), 1e-6), 2.0) / 2
        weights = np.where(is_known, 1.0, np.where(confidence > 0.5, confidence / 2, 0.0)).astype(np.float32)  # noqa: PLR2004
        targets = np.where(is_known, truth, np.sign(soft)).astype(np.float32)
    return Equalised((soft.reshape(size, size) * trust).astype(np.float32), correlation)


def _normalise(samples: Samples) -> tuple[Samples, Soft]:
    """Samples as standard scores of their neighbourhood (dark positive), and how far each module can be trusted."""
    side = len(samples) // SUB
    modules = cv2.resize(samples, (side, side), interpolation=cv2.INTER_AREA)
    window = (_NEIGHBOURHOOD, _NEIGHBOURHOOD)
    mean = cv2.blur(modules, window)
    spread = np.sqrt(np.maximum(cv2.blur(modules * modules, window) - mean * mean, _LEAST_CONTRAST**2))
    shape = samples.shape[::-1]
    normal = (cv2.resize(mean, shape) - samples) / cv2.resize(spread, shape)
    inner = slice(MARGIN, side - MARGIN)
    trust = np.clip(spread[inner, inner] / np.median(spread[inner, inner]), 0, 1)
    trust[modules[inner, inner] >= _SATURATED] *= _TRUST_SATURATED
    return np.asarray(normal, np.float32), np.asarray(trust, np.float32)


def _features(normal: Samples, size: int) -> NDArray[np.float32]:
    """Samples around each module and a constant, shape (size^2, taps^2 + 1)."""
    reach = 2 * _TAPS + 1
    first = MARGIN * SUB + SUB // 2 - _TAPS
    windows = sliding_window_view(normal, (reach, reach))[first::SUB, first::SUB][:size, :size]
    flat = windows.reshape(size * size, reach * reach)
    return np.concatenate([flat, np.ones((size * size, 1), np.float32)], axis=1)


def _box() -> NDArray[np.float32]:
    """The filter one begins with: the mean over the module's own samples."""
    reach, half = 2 * _TAPS + 1, SUB // 2
    box = np.zeros((reach, reach), np.float32)
    box[_TAPS - half : _TAPS + half + 1, _TAPS - half : _TAPS + half + 1] = 1 / SUB**2
    return np.append(box.ravel(), np.float32(0))


def _ridge(
    features: NDArray[np.float32],
    weights: NDArray[np.float32],
    targets: NDArray[np.float32],
    prior: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Weighted least squares drawn towards `prior`."""
    used = weights > 0
    chosen = features[used]
    weighted = chosen * weights[used, None]
    pull = _RIDGE * float(weights.sum())
    left = weighted.T @ chosen + pull * np.eye(features.shape[1], dtype=np.float32)
    return np.asarray(np.linalg.solve(left, weighted.T @ targets[used] + pull * prior), np.float32)
