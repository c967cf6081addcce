"""``RowNet``: reads a row of digits by CTC, without cutting it into digits."""

from __future__ import annotations

from torch import Tensor, nn

CLASSES = 12  # blank, the digits 0 to 9, and any other character


class RowNet(nn.Module):
    """A convolutional network from rows 32 px high to the digit or blank of every second column.

    Two-dimensional convolutions reduce the height to 1. Convolutions along the row then see about
    two digits, so that each column knows its neighbors.
    """

    def __init__(self) -> None:
        super().__init__()
        self.columns = nn.Sequential(
            *_convolution(2, 24), nn.MaxPool2d(2),
            *_convolution(24, 40), nn.MaxPool2d((2, 1)),
            *_convolution(40, 64), *_convolution(64, 64), nn.MaxPool2d((2, 1)),
            *_convolution(64, 96),
            nn.Conv2d(96, 128, (4, 1), bias=False), nn.BatchNorm2d(128), nn.ReLU(),
        )  # fmt: skip
        self.near, self.far = _along(1), _along(2)
        self.classify = nn.Sequential(nn.Dropout(0.1), nn.Conv1d(128, CLASSES, 1))

    def forward(self, rows: Tensor) -> Tensor:
        """Log probabilities ``[N, 12, W / 2]`` of rows ``[N, 2, 32, W]``, uint8 or 0-255."""
        columns = self.columns(rows.float() / 255).squeeze(2)
        columns = columns + self.near(columns)
        columns = columns + self.far(columns)
        return self.classify(columns).log_softmax(dim=1)


def _convolution(inputs: int, outputs: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    ]


def _along(dilation: int) -> nn.Sequential:
    """A convolution along the row."""
    return nn.Sequential(
        nn.Conv1d(128, 128, 5, padding=2 * dilation, dilation=dilation, bias=False),
        nn.BatchNorm1d(128),
        nn.ReLU(),
    )
