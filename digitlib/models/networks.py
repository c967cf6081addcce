"""The networks: normalized frames ``[N, 4, 28, 28]`` in, logits ``[N, 10]`` (or 11) out."""

from __future__ import annotations

import inspect
import reprlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from digitlib.preprocessing.frame import FRAME_SIZE, MNIST_MEAN, MNIST_STD, normalize

CLASSES = tuple("0123456789")


def as_input(frames: Tensor) -> Tensor:
    """Frames ``[N, 4, 28, 28]`` with their ink normalized; channels last in memory."""
    given = torch.cat([normalize(frames[:, :1]), frames[:, 1:]], dim=1)
    return given.contiguous(memory_format=torch.channels_last)


class BaselineCNN(nn.Module):
    """The small CNN of many tutorials: the baseline, with 421,642 parameters."""

    def __init__(self, dropout: float = 0.3) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),  # [N, 32, 14, 14]
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),  # [N, 64, 7, 7]
        )  # fmt: skip
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(128, 10),
        )  # fmt: skip

    def forward(self, frames: Tensor) -> Tensor:
        """Logits ``[N, 10]`` of the ink of normalized frames ``[N, 4, 28, 28]``."""
        return self.head(self.features(frames[:, :1]))


def _conv_block(inputs: int, outputs: int) -> list[nn.Module]:
    """Convolution, batch norm and ReLU."""
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return [conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


class DigitNet(nn.Module):
    """The compact default: early reduction, batch norm, most of the work on 12x12 and 6x6 maps.

    The first kernel has no padding because the margin of a frame is empty: 24x24 halves evenly to
    12, 6 and 3. One linear layer reads the last 3x3 maps, so the place of a stroke matters.

    Args:
        width: channels of the first layer; twice as many on 12x12, ten thirds on 6x6.
        channels: of the frames, 4, or 1 to read their ink alone.
        outputs: 10, or 11 with a last class for "not a digit".
    """

    def __init__(self, width: int = 24, channels: int = 4, outputs: int = 10) -> None:
        super().__init__()
        w, late = width, width * 10 // 3
        self.channels = channels
        self.early = nn.Sequential(  # [N, w, 12, 12]
            # Batch norm and ReLU come after pooling: a quarter of the numbers.
            nn.Conv2d(self.channels, w, 5, bias=False), nn.MaxPool2d(2),
            nn.BatchNorm2d(w), nn.ReLU(inplace=True),
            *_conv_block(w, 2 * w),
            *_conv_block(2 * w, 2 * w),
            nn.MaxPool2d(2),  # [N, 2w, 6, 6]
        )  # fmt: skip
        self.late = nn.Sequential(
            *_conv_block(2 * w, late),
            *_conv_block(late, late),
            *_conv_block(late, late),
            nn.MaxPool2d(2),  # [N, late, 3, 3]
        )
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.2), nn.Linear(9 * late, outputs))

    def forward(self, frames: Tensor) -> Tensor:
        """Logits ``[N, outputs]`` of normalized frames ``[N, 4, 28, 28]``."""
        return self.head(self.late(self.early(frames[:, : self.channels])))


class Deskew(nn.Module):
    """Make digits upright and equally wide, by the second moments of their ink, without weights.

    Each row is shifted until rows and columns no longer correlate, as LeCun et al. (1998) deslanted
    MNIST. Then all digits are stretched to one width.

    Args:
        size: of the output frames, which show the middle ``CUT`` pixels of the input.
    """

    CUT = 22  # of 28 pixels: digits fill 20, the rest is margin
    WIDTH = 0.3  # standard deviation of the ink along its rows, in half frames
    STRETCH = (0.6, 1.4)  # a 1 stays narrower than a 0
    SLANT = 1.0  # largest shift, in pixels a row

    def __init__(self, size: int = 20) -> None:
        super().__init__()
        self.size = size

    @torch.no_grad()
    def forward(self, frames: Tensor) -> Tensor:
        """Frames ``[N, 1, size, size]`` of normalized frames ``[N, 1, 28, 28]``."""
        ink = frames[:, 0] * MNIST_STD + MNIST_MEAN
        c = _centers(FRAME_SIZE, ink.device)
        rows, columns = ink.sum(2), ink.sum(1)
        total = rows.sum(1).clamp(min=1e-3)
        x, y = (columns * c).sum(1) / total, (rows * c).sum(1) / total  # center of mass
        xx = (columns * c**2).sum(1) / total - x**2
        yy = (rows * c**2).sum(1) / total - y**2
        xy = ((ink * c).sum(2) * c).sum(1) / total - x * y
        slant = (xy / yy.clamp(min=1e-3)).clamp(-self.SLANT, self.SLANT)
        width = (xx - slant * xy).clamp(min=1e-6).sqrt()
        stretch = (width / self.WIDTH).clamp(*self.STRETCH)
        x, y, shift, stretch = (value[:, None, None] for value in (x, y, slant, stretch))
        places = self.CUT / FRAME_SIZE * _centers(self.size, frames.device)
        across = x + stretch * places + shift * places[:, None]  # [N, size, size]
        grid = torch.stack([across, (y + places[:, None]).expand_as(across)], dim=3)
        return F.grid_sample(frames, grid, padding_mode="border", align_corners=False)


def _centers(size: int, device: torch.device) -> Tensor:
    """Centers of ``size`` pixels in a row, from -1 to 1, as in ``grid_sample``."""
    return (2 * torch.arange(size, device=device) + 1) / size - 1


class QuickNet(nn.Module):
    """The least work for 99 %: little to learn, no empty margin, early pooling.

    Deskewed digits vary less, so fewer examples and pixels are enough. The first kernel has stride
    2 and no padding: 28x28 becomes 12x12, 6x6 and 3x3; 20x20 becomes 8x8, 4x4 and 2x2. Batch norm
    and ReLU process pooled maps, a quarter as large.

    Args:
        width: channels of the first layer; then twice and three times as many.
        pool_first: pool before batch norm and ReLU, not after.
        stride: of the first kernel; with 1 its maps are pooled.
        padding: of the first kernel, with stride 2.
        deskewed: size of the deskewed frames, 20 in `quick`; 0 for no deskewing.
    """

    def __init__(
        self,
        width: int = 16,
        pool_first: bool = True,
        stride: int = 2,
        padding: int = 0,
        deskewed: int = 0,
    ) -> None:
        super().__init__()

        def pooled(inputs: int, outputs: int, kernel: int, padding: int) -> list[nn.Module]:
            conv = nn.Conv2d(inputs, outputs, kernel, padding=padding, bias=False)
            norm = [nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
            pool = nn.MaxPool2d(2)
            return [conv, pool, *norm] if pool_first else [conv, *norm, pool]

        w = width
        first = nn.Conv2d(1, w, 5, 2, padding, bias=False)
        self.deskew = Deskew(deskewed) if deskewed else nn.Identity()
        self.features = nn.Sequential(
            *([first, nn.BatchNorm2d(w), nn.ReLU(inplace=True)]
              if stride == 2 else pooled(1, w, 5, padding)),  # [N, w, 12, 12]
            *pooled(w, 2 * w, 3, 1),  # [N, 2w, 6, 6]
            *pooled(2 * w, 3 * w, 3, 1),  # [N, 3w, 3, 3]
        )  # fmt: skip
        side = ((deskewed or FRAME_SIZE) - 4) // 8
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(3 * w * side**2, 10))

    def forward(self, frames: Tensor) -> Tensor:
        """Logits ``[N, 10]`` of the ink of normalized frames ``[N, 4, 28, 28]``."""
        return self.head(self.features(self.deskew(frames[:, :1])))


NETWORKS: dict[str, type[nn.Module]] = {
    "baseline": BaselineCNN, "digitnet": DigitNet, "quicknet": QuickNet,
}  # fmt: skip

# Ranges of the arguments; a larger one is a mistake, or from a damaged card.
LIMITS: dict[str, tuple[float, float]] = {
    "width": (1, 256), "channels": (1, 4), "outputs": (10, 11), "stride": (1, 2),
    "dropout": (0, 0.95), "padding": (0, 2), "deskewed": (12, FRAME_SIZE),
}  # fmt: skip


def check_arguments(name: str, arguments: Mapping[str, Any]) -> None:
    """Raise ValueError if no network has this name, or it cannot have these arguments."""
    if name not in NETWORKS:
        raise ValueError(f"There is no network {name!r}; there are {', '.join(NETWORKS)}.")
    known = inspect.signature(NETWORKS[name]).parameters
    for argument, value in arguments.items():
        if argument not in known:
            raise ValueError(f"{name} has no argument {argument!r}; it has {', '.join(known)}.")
        default = known[argument].default
        if value == default and type(value) is type(default):
            continue
        low, high = LIMITS.get(argument, (0, 1))
        kinds = {bool} if isinstance(default, bool) else {int, type(default)} - {type(None)}
        if type(value) not in kinds or not low <= value <= high:
            raise ValueError(
                f"{argument} of {name} must be {low} to {high}, not {reprlib.repr(value)}."
            )


def build_network(name: str, **arguments: Any) -> nn.Module:
    """Build a network by its name in ``NETWORKS``.

    Raises:
        ValueError: see :func:`check_arguments`.
    """
    check_arguments(name, arguments)
    return NETWORKS[name](**arguments)


def reads_strokes(model: nn.Module) -> bool:
    """Whether the network reads stroke direction and order, too."""
    return getattr(model, "channels", 1) > 1


def count_parameters(model: nn.Module) -> int:
    """Number of parameters, frozen or not, without buffers."""
    return sum(parameter.numel() for parameter in model.parameters())


def pick_device(name: str = "auto") -> torch.device:
    """The device to compute on: ``auto`` is cuda, else mps, else cpu."""
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
