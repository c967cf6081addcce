"""Other recipes to race against, unchanged, with their slow parts.

Each loads digits one by one through PIL and torchvision's transforms in a ``DataLoader``, as
``torchvision.datasets.MNIST`` does; only the validation digits are left out.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from digitlib.datasets.base import DigitData
from digitlib.models.networks import build_network
from digitlib.preprocessing.frame import MNIST_MEAN, MNIST_STD
from digitlib.training.config import PRESETS

# Called with the network after each epoch; True ends training.
Stop = Callable[[nn.Module], bool]


class PictureDataset(Dataset[tuple[Tensor, int]]):
    """Digits one at a time, by the steps of ``torchvision.datasets.MNIST.__getitem__``."""

    def __init__(self, data: DigitData) -> None:
        self.data = data
        self.transform = transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize((MNIST_MEAN,), (MNIST_STD,))]
        )

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture = Image.fromarray(self.data.images[index].numpy())
        return self.transform(picture), int(self.data.labels[index])


class ExamplesNet(nn.Module):
    """The network of pytorch/examples, mnist/main.py: 1,199,882 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 32, 3), nn.ReLU(),  # [N, 32, 26, 26]
            nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),  # [N, 64, 12, 12]
            nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10),
        )  # fmt: skip

    def forward(self, frames: Tensor) -> Tensor:
        """Logits ``[N, 10]`` of normalised frames ``[N, 1, 28, 28]``."""
        return self.layers(frames)


def textbook(data: DigitData, seed: int, stop: Stop, device: torch.device) -> nn.Module:
    """The recipe of most tutorials: ``BaselineCNN``, batches of 64, Adam at 1e-3."""
    preset = PRESETS["baseline"]
    torch.manual_seed(seed)
    model = build_network(preset.model).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=preset.learning_rate)
    loader = DataLoader(PictureDataset(data), batch_size=preset.batch_size, shuffle=True)
    for _ in range(preset.epochs):
        _epoch(model, loader, optimizer, device)
        if stop(model):
            break
    return model


def examples(data: DigitData, seed: int, stop: Stop, device: torch.device) -> nn.Module:
    """pytorch/examples: Adadelta at 1.0, times 0.7 per epoch, batches of 64, 14 epochs."""
    torch.manual_seed(seed)
    model = ExamplesNet().to(device)
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    loader = DataLoader(PictureDataset(data), batch_size=64, shuffle=True)
    for _ in range(14):
        _epoch(model, loader, optimizer, device)
        scheduler.step()
        if stop(model):
            break
    return model


def _epoch(
    model: nn.Module,
    loader: DataLoader[tuple[Tensor, int]],
    optimizer: torch.optim.Optimizer,
    device: torch.device,
) -> None:
    model.train()
    for frames, labels in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(frames.to(device)), labels.to(device))
        loss.backward()
        optimizer.step()


RECIPES: dict[str, Callable[[DigitData, int, Stop, torch.device], nn.Module]] = {
    "textbook": textbook,
    "pytorch/examples": examples,
}
