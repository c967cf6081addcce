"""Frames of strokes in predictions and in their display."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
from helpers import pictures_in
from numpy.typing import NDArray

from digitlib import Prediction, Recognizer
from digitlib.models.networks import DigitNet
from digitlib.preprocessing.colors import direction_color, picture_channels, time_color
from digitlib.preprocessing.frame import frames_to_images, images_to_frames
from digitlib.preprocessing.strokes import render

LINE = np.array([[0.0, 0.0], [30.0, 0.0]])
SHARES = (0.1,) * 10
NO_RED_CONE = np.array([[0.112, 0.888, 0.0], [0.112, 0.888, 0.0], [0.004, -0.004, 1.0]])


def pictures(*strokes: NDArray[np.float64]) -> dict[str, NDArray[np.uint8]]:
    return picture_channels(render(strokes))


def hues(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Hues in degrees of the pixels with much ink."""
    inked = picture[picture.max(axis=-1) > 100] / 255
    return np.array([360 * colorsys.rgb_to_hsv(*color)[0] for color in inked])


# --- colors -------------------------------------------------------------------------------


def test_the_way_of_a_line_is_one_hue_and_the_way_back_the_opposite() -> None:
    right, left = (hues(pictures(line)["direction"]) for line in (LINE, LINE[::-1]))
    assert len(right) == len(left) > 20
    assert np.ptp(right) < 3
    assert np.ptp(left) < 3
    assert abs(right.mean() - left.mean()) == pytest.approx(180, abs=15)


def test_the_four_directions_have_the_colours_of_the_caption() -> None:
    red, green, blue = direction_color([1, 0, -1, 0], [0, 1, 0, -1]).T  # right, down, left, up
    assert red[0] > green[0] > blue[0]  # orange
    assert green[1] > max(red[1], blue[1])
    assert blue[2] > max(red[2], green[2])
    assert red[3] > blue[3] > green[3]  # pink


def test_time_grows_lighter_for_the_colour_blind_too() -> None:
    colors = time_color(np.linspace(-1, 1, 50))
    assert colors.min() >= 0
    assert colors.max() <= 1
    linear = colors**2.2
    for seen in (linear, linear @ NO_RED_CONE.T):  # Vienot et al., 1999
        assert (np.diff(seen @ [0.2126, 0.7152, 0.0722]) > 0).all()


# --- predictions ---------------------------------------------------------------------------


def test_a_prediction_keeps_the_frame_that_the_network_got() -> None:
    found = Recognizer.from_model(DigitNet(outputs=11)).predict_strokes([LINE])
    np.testing.assert_array_equal(found.frame, render([LINE]))


def test_a_notebook_shows_direction_and_time_beside_the_frame() -> None:
    frame = render([LINE])
    image, colored = frames_to_images(frame), picture_channels(frame)
    page = Prediction(SHARES, frame, 0.0)._repr_html_()
    for shown, expected in zip(pictures_in(page), [image, *colored.values()], strict=True):
        np.testing.assert_array_equal(shown, expected)
    assert page.count("right orange, down green, left blue, up pink") == 2  # alt and title
    without = Prediction(SHARES, images_to_frames(image), 0.0)._repr_html_()
    assert len(pictures_in(without)) == 1
    assert "direction" not in without
