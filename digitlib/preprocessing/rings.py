"""Rings that cups left on paper: components of ink that lie on one circle, whole or in arcs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# In radii of the circle:
ROUND, ROUGH = 0.035, 0.055  # standard deviation off it of an arc, and of a ring: no digit by hand
RING_LINE = 0.15  # so far off it may ink of the ring be
# As shares:
MIN_ON_RING = 0.9  # of a component's ink that is on the ring
MIN_COVERED, MOSTLY = 0.2, 0.45  # of the circle that an arc, and a ring, covers at least

SECTORS = 36  # in which a circle is covered or not
MIN_RADIUS = 12  # px; smaller circles are too coarse to be told from zeros
MOST = 12  # of the largest components are tried as arcs
MAX_POINTS = 600  # of a component

Points = NDArray[np.float64]  # [n, 2]: x and y, px


class Circle(NamedTuple):
    """Middle and radius, px."""

    x: float
    y: float
    radius: float

    def off(self, points: Points) -> NDArray[np.float64]:
        """How far outside the circle points are, in radii, ``[n]``."""
        x, y = points.T
        return np.hypot(x - self.x, y - self.y) / self.radius - 1

    def covered(self, points: Points) -> float:
        """The share of the circle's sectors in which there are points."""
        x, y = points.T
        turn = np.arctan2(y - self.y, x - self.x) / (2 * np.pi) + 0.5
        return len(np.unique((turn * SECTORS).astype(int) % SECTORS)) / SECTORS


def fit_circle(points: Points) -> Circle:
    """The circle nearest to points: Kåsa's fit, linear in x² + y² = 2ax + 2by + c."""
    middle = points.mean(axis=0)
    x, y = (points - middle).T
    terms = np.stack([2 * x, 2 * y, np.ones_like(x)], axis=1)
    (a, b, c), *_ = np.linalg.lstsq(terms, x**2 + y**2, rcond=None)
    radius = float(np.sqrt(max(c + a * a + b * b, 1e-9)))
    return Circle(float(a + middle[0]), float(b + middle[1]), radius)


def on_rings(components: Sequence[Points]) -> NDArray[np.bool_]:
    """Which components are parts of a ring, bool ``[N]``.

    Args:
        components: the pixels of each.
    """
    found = np.zeros(len(components), bool)
    if not len(found):
        return found
    thinned = [points[:: -(-len(points) // MAX_POINTS)] for points in components]
    every, counts = np.concatenate(thinned), np.array([*map(len, thinned)])
    starts = np.cumsum(counts) - counts
    for number in np.argsort([-len(points) for points in components], kind="stable")[:MOST]:
        if found[number]:
            continue
        arc = thinned[number]
        circle = fit_circle(arc)
        near = np.abs(circle.off(every)) < RING_LINE
        ring = np.add.reduceat(near, starts, dtype=np.intp) / counts > MIN_ON_RING
        if ring.any():
            arc = np.concatenate([thinned[each] for each in np.flatnonzero(ring)])
            if _is_ring(fit_circle(arc), arc):
                found |= ring
    return found


def _is_ring(circle: Circle, points: Points) -> bool:
    covered, off = circle.covered(points), float(circle.off(points).std())
    smooth = (off < ROUND and covered >= MIN_COVERED) or (off < ROUGH and covered >= MOSTLY)
    return circle.radius >= MIN_RADIUS and smooth
