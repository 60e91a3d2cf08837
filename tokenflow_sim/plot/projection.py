"""Map projections of a sphere onto a plane, in km: all keep areas, so that densities on a map compare."""

from __future__ import annotations

import numpy as np

from tokenflow_sim.numeric import Floats

RADIUS = 6371.0
"""Mean radius of the Earth in km."""

_HALF_TURN = 180.0
_STEPS = 200  # of the search for a centre, which is then well within a degree of the best


def albers(latitude: Floats, longitude: Floats) -> tuple[Floats, Floats]:
    """Project by Albers' equal-area conic projection, with the standard parallels of the contiguous United States.

    Parameters
    ----------
    latitude, longitude : ndarray
        Degrees.

    Notes
    -----
    Standard parallels 29.5 and 45.5 degrees north: Snyder (1987), Map Projections: A Working Manual, pp. 98-103.
    """
    first, second, origin = np.radians([29.5, 45.5, 37.5])
    n = (np.sin(first) + np.sin(second)) / 2
    c = np.cos(first) ** 2 + 2 * n * np.sin(first)
    rho, rho_0 = (np.sqrt(c - 2 * n * np.sin(phi)) / n for phi in (np.radians(latitude), origin))
    theta = n * np.radians(longitude + 96.0)
    return RADIUS * rho * np.sin(theta), RADIUS * (rho_0 - rho * np.cos(theta))


def azimuthal(latitude: Floats, longitude: Floats, centre: tuple[float, float]) -> tuple[Floats, Floats]:
    """Project by Lambert's azimuthal equal-area projection.

    Parameters
    ----------
    latitude, longitude : ndarray
        Degrees.
    centre : tuple of float
        Latitude and longitude of the point that is drawn without distortion, with north above it.

    Notes
    -----
    Snyder (1987), pp. 182-190, equations 24-2 to 24-4. It has no singular latitude, so that it serves from the
    equator to the poles; the point opposite the centre cannot be drawn.
    """
    phi, phi_0 = np.radians(latitude), np.radians(centre[0])
    turn = np.radians(np.asarray(longitude) - centre[1])
    along = np.cos(phi) * np.cos(turn)
    k = np.sqrt(2.0 / np.maximum(1.0 + np.sin(phi_0) * np.sin(phi) + np.cos(phi_0) * along, 1e-9))
    x = RADIUS * k * np.cos(phi) * np.sin(turn)
    return x, RADIUS * k * (np.cos(phi_0) * np.sin(phi) - np.sin(phi_0) * along)


def equal_earth(latitude: Floats, longitude: Floats, meridian: float) -> tuple[Floats, Floats]:
    """Project the whole world by the Equal Earth projection.

    Parameters
    ----------
    latitude, longitude : ndarray
        Degrees; longitudes need not lie within half a turn of the meridian: the map goes on beyond its edges.
    meridian : float
        Longitude in degrees of the middle of the map.

    Notes
    -----
    Šavrič, Patterson and Jenny (2019), The Equal Earth map projection, International Journal of Geographical
    Information Science 33(3), 454-465.
    """
    a1, a2, a3, a4 = 1.340264, -0.081106, 0.000893, 0.003796
    theta = np.arcsin(np.sqrt(3.0) / 2.0 * np.sin(np.radians(latitude)))
    slope = 9 * a4 * theta**8 + 7 * a3 * theta**6 + 3 * a2 * theta**2 + a1
    x = 2 * np.sqrt(3.0) / 3.0 * np.radians(np.asarray(longitude) - meridian) * np.cos(theta) / slope
    return RADIUS * x, RADIUS * (a4 * theta**9 + a3 * theta**7 + a2 * theta**3 + a1 * theta)


def distance_degrees(latitude: Floats, longitude: Floats, centre: tuple[float, float]) -> Floats:
    """Return the angle in degrees between points and a centre (latitude, longitude), seen from the Earth's middle."""
    cosine = _vectors(latitude, longitude) @ _vectors(*(np.array([value]) for value in centre))[0]
    return np.asarray(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))


def centre_of(latitude: Floats, longitude: Floats) -> tuple[float, float]:
    """Return latitude and longitude of the middle of points: of the smallest cap of the sphere that holds them.

    Notes
    -----
    The middle goes towards the farthest point in ever smaller steps (Badoiu and Clarkson, 2003, Smaller core-sets for
    balls, section 2).
    """
    points = _vectors(latitude, longitude)
    middle = points.mean(axis=0)
    if np.linalg.norm(middle) < 1e-6:  # points all around: any of them will do
        middle = points[0]
    for step in range(1, _STEPS + 1):
        middle = middle / np.linalg.norm(middle)
        farthest = points[(points @ middle).argmin()]
        moved = middle + (farthest - middle) / (step + 1)
        if np.linalg.norm(moved) < 1e-6:
            break
        middle = moved
    x, y, z = middle / np.linalg.norm(middle)
    return float(np.degrees(np.arcsin(np.clip(z, -1.0, 1.0)))), float(np.degrees(np.arctan2(y, x)))


def middle_meridian(longitude: Floats) -> float:
    """Return the longitude in the middle of a world map: opposite the middle of the widest gap between points."""
    around = np.sort(np.unique(np.mod(longitude, 360.0)))
    gaps = np.diff(np.append(around, around[0] + 360.0))
    widest = int(gaps.argmax())
    return float(np.mod(around[widest] + gaps[widest] / 2.0, 360.0) - _HALF_TURN)


def turned(longitude: Floats, meridian: float) -> Floats:
    """Return longitudes within half a turn of a meridian."""
    return np.asarray(meridian + np.mod(np.asarray(longitude) - meridian + _HALF_TURN, 360.0) - _HALF_TURN)


def _vectors(latitude: Floats, longitude: Floats) -> Floats:
    phi, turn = np.radians(latitude), np.radians(longitude)
    return np.column_stack([np.cos(phi) * np.cos(turn), np.cos(phi) * np.sin(turn), np.sin(phi)])
