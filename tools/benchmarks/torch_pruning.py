"""A trained ResNet-20 in PyTorch, cut by Torch-Pruning: same weights, pictures, MACs."""

import json
import pathlib
import time
from typing import Any

import numpy as np

EXAMPLES, SCORED, BATCH = 2048, 256, 256
OF_HESSIAN = 64  # each of its pictures is a backward pass through all of them
# Its importances; each with the same part of every layer, and with one threshold.
IMPORTANCES = ("GroupMagnitude", "GroupTaylor", "GroupHessian")


def neighbours(model: str, data_dir: str, results: str, percent: int = 50) -> None:
    """Prints the accuracies, and keeps each as a JSON file; made ones are not made anew.

    Args:
        model: a `.keras` file of `tf_hetero.models.ResNet20`, trained on CIFAR-10.
        data_dir: as in `tf_hetero.datasets.load`.
        results: folder of the result files.
        percent: of the MACs that go.
    """
    from tf_hetero.files import write_text
    from tools.experiment.identity import read_record
    from tools.experiment.provenance import circumstances

    kinds = [(name, wide) for name in IMPORTANCES for wide in (False, True)]
    paths = {
        (name, wide): pathlib.Path(results) / f"{name}{'_global' * wide}-cut{percent}.json"
        for name, wide in kinds
    }
    side = None
    for kind, path in paths.items():
        if not path.exists():
            side = side or _Side(model, data_dir)
            result = {**side.result(*kind, percent), **circumstances("tools.benchmark")}
            write_text(path, json.dumps(result, indent=1) + "\n")
        print(path.stem, _shown(read_record(path)), flush=True)


def _shown(result: dict[str, Any]) -> str:
    return (
        f"as it is {100 * result['accuracy']:.2f}, recalibrated "
        f"{100 * result['recalibrated']:.2f}, {result['macs']:,} MACs, "
        f"{result['seconds']:.1f} s"
    )


class _Side:
    """PyTorch's side: the network, the pictures, and what is done with them."""

    def __init__(self, path: str, data_dir: str) -> None:
        import keras

        from tf_hetero import datasets
        from tools.experiment.cutting import taken
        from tools.experiment.litert_files import images

        self._model = keras.models.load_model(path)
        pictures = datasets.load("cifar10", data_dir)
        self._test = images(pictures.test_batches(512), len(pictures.test))
        labels = [np.asarray(y) for _, y in pictures.test_batches(512)]
        self._labels = np.concatenate(labels)
        self._calibration = taken(pictures, EXAMPLES)
        self._scored = next(iter(pictures.plain_batches(SCORED, seed=0)))
        from tools.benchmarks.torch_resnet import new_resnet

        self._new = lambda: new_resnet(self._model)
        expected = self._model.predict(self._test[:64], verbose=0)
        found = _logits(self._new(), self._test[:64])
        if np.abs(found - expected).max() > 1e-4 * np.abs(expected).max():
            raise ValueError(
                "PyTorch must compute what Keras does. Received: logits that differ by "
                f"{np.abs(found - expected).max()}."
            )

    def result(self, name: str, wide: bool, percent: int) -> dict[str, Any]:
        """Cuts by one importance and measures."""
        whole = _macs(self._new())
        low, high = 0.0, 0.9
        for _ in range(8):
            middle = (low + high) / 2
            fits = _macs(self._pruned(name, wide, middle)) <= (1 - percent / 100) * whole
            low, high = (low, middle) if fits else (middle, high)
        start = time.perf_counter()
        small = self._pruned(name, wide, high)
        seconds = time.perf_counter() - start
        before = self._accuracy(small)
        self._recalibrate(small)
        return {
            "arm": f"{name}{'_global' * wide}",
            "percent": percent,
            "accuracy": before,
            "recalibrated": self._accuracy(small),
            "macs": _macs(small),
            "params": sum(p.numel() for p in small.parameters()),
            "seconds": seconds,
            "ratio": high,
        }

    def _pruned(self, name: str, wide: bool, ratio: float) -> Any:
        import torch
        import torch_pruning

        network = self._new()
        importance = getattr(torch_pruning.importance, f"{name}Importance")()
        pruner = torch_pruning.pruner.BasePruner(
            network,
            torch.zeros(1, 3, 32, 32),
            importance=importance,
            pruning_ratio=ratio,
            global_pruning=wide,
            ignored_layers=[network.classifier],
        )
        self._gradients(name, network, importance)
        pruner.step()
        return network.eval()

    def _gradients(self, name: str, network: Any, importance: Any) -> None:
        """What an importance wants to know, as Torch-Pruning's documentation does it."""
        import torch

        if name == "GroupMagnitude":
            return
        count = OF_HESSIAN if name == "GroupHessian" else SCORED
        x, y = (torch.as_tensor(np.array(part)[:count]) for part in self._scored)
        outputs = network(x.permute(0, 3, 1, 2))
        losses = torch.nn.functional.cross_entropy(outputs, y.long(), reduction="none")
        if name == "GroupTaylor":
            losses.mean().backward()
            return
        for loss in losses:
            network.zero_grad()
            loss.backward(retain_graph=True)
            importance.accumulate_grad(network)

    def _accuracy(self, network: Any) -> float:
        return float((_logits(network, self._test).argmax(1) == self._labels).mean())

    def _recalibrate(self, network: Any) -> None:
        """Statistics of the calibration pictures, averaged over batches."""
        import torch

        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.reset_running_stats()
                module.momentum = None
        network.train()
        _logits(network, self._calibration)
        network.eval()


def _logits(network: Any, x: np.ndarray) -> np.ndarray:
    import torch

    with torch.no_grad():
        parts = [
            network(torch.as_tensor(x[at : at + BATCH]).permute(0, 3, 1, 2)).numpy()
            for at in range(0, len(x), BATCH)
        ]
    return np.concatenate(parts)


def _macs(network: Any) -> int:
    """Multiply-accumulates of convolutions and the classifier for one picture."""
    import torch

    counted = []

    def count(module: Any, inputs: Any, output: Any) -> None:
        del inputs
        counted.append(module.weight.numel() * output[0].numel() // output.shape[1])

    kinds = (torch.nn.Conv2d, torch.nn.Linear)
    found = [module for module in network.modules() if isinstance(module, kinds)]
    handles = [module.register_forward_hook(count) for module in found]
    with torch.no_grad():
        network(torch.zeros(1, 3, 32, 32))
    for handle in handles:
        handle.remove()
    return sum(counted)
