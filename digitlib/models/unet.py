"""``InkNet``: a small U-Net that finds a digit's ink in a picture."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

WIDTHS = 8, 16, 24, 32, 40  # channels from full resolution to 1/16


class InkNet(nn.Module):
    """A U-Net (Ronneberger et al., 2015) with skip connections that are added, not concatenated.

    Each level halves the resolution. The coarsest level sees the whole picture.
    """

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            nn.Sequential(_convolution(before, after), _convolution(after, after))
            for before, after in zip((2, *WIDTHS), WIDTHS, strict=False)
        )
        self.coarse = _convolution(WIDTHS[-1], WIDTHS[-1], dilation=2)
        pairs = list(zip(WIDTHS[:0:-1], WIDTHS[-2::-1], strict=True))
        self.narrow = nn.ModuleList(nn.Conv2d(before, after, 1) for before, after in pairs)
        self.up = nn.ModuleList(_convolution(after, after) for _, after in pairs)
        self.ink = nn.Conv2d(WIDTHS[0], 1, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits of the digit's coverage ``[N, S, S]`` of inputs ``[N, 2, S, S]``."""
        found, levels = pictures, []
        for place, level in enumerate(self.down):
            found = level(functional.max_pool2d(found, 2) if place else found)
            levels.append(found)
        found = found + self.coarse(found)
        for narrow, up, level in zip(self.narrow, self.up, levels[-2::-1], strict=True):
            larger = functional.interpolate(narrow(found), scale_factor=2, mode="nearest")
            found = up(larger + level)
        return self.ink(found).squeeze(1)


def _convolution(inputs: int, outputs: int, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )
