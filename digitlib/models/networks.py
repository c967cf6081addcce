"""The networks: normalised frames ``[N, 1, 28, 28]`` in, logits ``[N, 10]`` (or 11) out."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CLASSES = tuple("0123456789")


class BaselineCNN(nn.Module):
    """The well-known small CNN of a thousand tutorials, kept as the yardstick.

    conv 32 - pool - conv 64 - pool - fully connected 128, dropout 0.3: 421,642 parameters.
    """

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
        """Logits ``[N, 10]`` of normalised frames ``[N, 1, 28, 28]``."""
        return self.head(self.features(frames))


def _block(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return [conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


class DigitNet(nn.Module):
    """The compact default: early reduction, batch norm, its work on 12x12 and 6x6 maps.

    The first kernel does not reach over the edge, where frames are empty, so that 24x24 halves
    evenly to 12, 6 and 3. The last 3x3 maps are read by one linear layer, so that where a stroke
    lies still counts.

    Args:
        width: channels of the first layer; twice as many on 12x12.
        late: channels on 6x6; None for ten thirds of ``width``.
        depth: convolutions on 6x6.
        stride: of the first kernel. With 2 it reaches over the edge and nothing is pooled after
            it; maps are 14, 7 and 3 wide, as in the networks that taught the bundled one.
        dropout: before the linear layer, in training.
        outputs: 10, or 11 with a last class for what is no digit.
    """

    def __init__(
        self,
        width: int = 24,
        late: int | None = None,
        depth: int = 3,
        stride: int = 1,
        dropout: float = 0.2,
        outputs: int = 10,
    ) -> None:
        super().__init__()
        w, late = width, late or width * 10 // 3
        first = _block(1, w, 5, stride=2)
        if stride == 1:  # pooled before batch norm and ReLU, which have a quarter to do then
            norm = [nn.BatchNorm2d(w), nn.ReLU(inplace=True)]
            first = [nn.Conv2d(1, w, 5, bias=False), nn.MaxPool2d(2), *norm]
        self.features = nn.Sequential(
            *first,  # [N, w, 12, 12]
            *_block(w, 2 * w),
            *_block(2 * w, 2 * w),
            nn.MaxPool2d(2),  # [N, 2w, 6, 6]
            *(layer for n in range(depth) for layer in _block(late if n else 2 * w, late)),
            nn.MaxPool2d(2),  # [N, late, 3, 3]
        )
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(dropout), nn.Linear(9 * late, outputs))

    def forward(self, frames: Tensor) -> Tensor:
        """Logits ``[N, outputs]`` of normalised frames ``[N, 1, 28, 28]``."""
        return self.head(self.features(frames))


class QuickNet(nn.Module):
    """As little work as 99 % takes: the empty margin is never computed, pooling comes early.

    The first kernel steps by two and does not reach over the edge, so that 28x28 becomes 12x12
    and halves evenly to 6x6 and 3x3; batch norm and ReLU act on pooled maps, a quarter as large.

    Args:
        width: channels of the first layer; then twice and three times as many.
        pool_first: pool before batch norm and ReLU, not after.
        stride: of the first kernel; 1 computes every place and pools.
        padding: of the first kernel, with stride 2; 2 makes the maps 14, 7 and 3.
    """

    def __init__(
        self, width: int = 16, pool_first: bool = True, stride: int = 2, padding: int = 0
    ) -> None:
        super().__init__()

        def pooled(inputs: int, outputs: int, kernel: int, padding: int) -> list[nn.Module]:
            conv = nn.Conv2d(inputs, outputs, kernel, padding=padding, bias=False)
            norm = [nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
            pool = nn.MaxPool2d(2)
            return [conv, pool, *norm] if pool_first else [conv, *norm, pool]

        w = width
        first = nn.Conv2d(1, w, 5, 2, padding, bias=False)
        self.features = nn.Sequential(
            *([first, nn.BatchNorm2d(w), nn.ReLU(inplace=True)]
              if stride == 2 else pooled(1, w, 5, padding)),  # [N, w, 12, 12]
            *pooled(w, 2 * w, 3, 1),  # [N, 2w, 6, 6]
            *pooled(2 * w, 3 * w, 3, 1),  # [N, 3w, 3, 3]
        )  # fmt: skip
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(27 * w, 10))

    def forward(self, frames: Tensor) -> Tensor:
        """Logits ``[N, 10]`` of normalised frames ``[N, 1, 28, 28]``."""
        return self.head(self.features(frames))


NETWORKS: dict[str, type[nn.Module]] = {
    "baseline": BaselineCNN,
    "digitnet": DigitNet,
    "quicknet": QuickNet,
}


def build_network(name: str, **arguments: Any) -> nn.Module:
    """Build a network by its name in ``MODELS``; ValueError names the choices."""
    if name not in NETWORKS:
        raise ValueError(f"There is no network {name!r}; there are {', '.join(NETWORKS)}.")
    return NETWORKS[name](**arguments)


def count_parameters(model: nn.Module) -> int:
    """Number of trainable numbers: all parameters, frozen for now or not; no buffers."""
    return sum(parameter.numel() for parameter in model.parameters())


class _Step(nn.Module):
    """A convolution, the pooling that may follow it, and ReLU, which comes last.

    The largest of some numbers is the same before ReLU and after it, and there are fewer then.
    """

    def __init__(self, conv: nn.Conv2d, pool: nn.MaxPool2d | None) -> None:
        super().__init__()
        self.conv, self.pool = conv, pool
        self.options: tuple[Any, ...] = (conv.stride, conv.padding, conv.dilation, conv.groups)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps ``[N, C, H, W]`` to maps."""
        maps = F.conv2d(maps, self.conv.weight, self.conv.bias, *self.options)
        return (maps if self.pool is None else self.pool(maps)).relu_()


def optimize_for_inference(model: nn.Module) -> nn.Module:
    """A copy that only reads: same output up to rounding, fewer and faster steps.

    Within an ``nn.Sequential``, batch norm that directly follows a convolution is multiplied into
    its weights, ReLU and pooling join it in one step, and dropout is left out. Channels lie last
    in memory, as fast kernels want them.
    """
    model = copy.deepcopy(model).eval().requires_grad_(False)
    for parent in [*model.modules()]:
        for name, child in [*parent.named_children()]:
            if type(child) is nn.Sequential:
                setattr(parent, name, nn.Sequential(*_joined(_fused(child))))
    return model.to(memory_format=torch.channels_last).requires_grad_(False)  # type: ignore[call-overload]


def _fused(layers: Iterable[nn.Module]) -> list[nn.Module]:
    """Without dropout, and without batch norm where a convolution can do its work."""
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    made: list[nn.Module] = []
    for layer in layers:
        last = made[-1] if made else None
        if isinstance(layer, nn.BatchNorm2d) and isinstance(last, nn.Conv2d):
            made[-1] = fuse_conv_bn_eval(last, layer)
        elif not isinstance(layer, nn.Dropout):
            made.append(layer)
    return made


def _joined(layers: list[nn.Module]) -> list[nn.Module]:
    """Convolution, ReLU and pooling, in either order, as one ``_Step``."""
    made: list[nn.Module] = []
    rest = [*layers]
    while rest:
        layer = rest.pop(0)
        if type(layer) is nn.Conv2d and layer.padding_mode == "zeros":
            kinds = [type(following) for following in rest[:2]]
            both = {nn.ReLU, nn.MaxPool2d} == set(kinds)
            if both or kinds[:1] == [nn.ReLU]:
                taken, rest = rest[: 1 + both], rest[1 + both :]
                pools = [each for each in taken if isinstance(each, nn.MaxPool2d)]
                layer = _Step(layer, pools[0] if pools else None)
        made.append(layer)
    return made


def pick_device(name: str = "auto") -> torch.device:
    """The device to compute on: ``auto`` is cuda, else mps, else cpu."""
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
