"""`tf_hetero.models.ResNet20` in PyTorch, with the weights of a Keras one."""

from typing import Any

import torch

nn = torch.nn


def new_resnet(model: Any) -> Any:
    """The network, in inference mode."""
    return Network(model).eval()


class Network(torch.nn.Module):
    """Three stages of three blocks."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.stem = _normed(model, "stem")
        blocks = [
            Block(model, f"stage{stage}_block{number}", 1 + (stage > 1 and number == 1))
            for stage in (1, 2, 3)
            for number in (1, 2, 3)
        ]
        self.blocks = nn.Sequential(*blocks)
        kernel, bias = model.get_layer("classifier").get_weights()
        self.classifier = nn.Linear(*kernel.shape)
        _copy(self.classifier.weight, kernel.T)
        _copy(self.classifier.bias, bias)

    def forward(self, x: Any) -> Any:
        x = self.blocks(torch.relu(self.stem(x)))
        return self.classifier(x.mean(dim=(2, 3)))


class Block(torch.nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, model: Any, name: str, stride: int) -> None:
        super().__init__()
        self.conv1 = _normed(model, f"{name}_conv1", stride)
        self.conv2 = _normed(model, f"{name}_conv2")
        projected = any(layer.name == f"{name}_shortcut" for layer in model.layers)
        self.shortcut = nn.Identity()
        if projected:
            self.shortcut = _normed(model, f"{name}_shortcut", stride)

    def forward(self, x: Any) -> Any:
        y = self.conv2(torch.relu(self.conv1(x)))
        return torch.relu(y + self.shortcut(x))


def _normed(model: Any, name: str, stride: int = 1) -> Any:
    """A convolution, padded as Keras's here, and its normalisation."""
    kernel, *bias = model.get_layer(name).get_weights()
    size, _, inputs, outputs = kernel.shape
    layer = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=bool(bias))
    norm = nn.BatchNorm2d(outputs)
    _copy(layer.weight, kernel.transpose(3, 2, 0, 1))
    for value in bias:
        _copy(layer.bias, value)
    places = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
    weights = model.get_layer(f"{name}_bn").get_weights()
    for place, value in zip(places, weights, strict=True):
        _copy(place, value)
    return nn.Sequential(layer, norm)


def _copy(place: Any, value: Any) -> None:
    place.data.copy_(torch.as_tensor(value.copy()))
