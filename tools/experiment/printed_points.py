"""What the papers printed: errors, FLOPs and parameters beside their own baselines.

LW-DNA's Table 4, DHP's Table 1, MCH's Tables 1 and 2, and the rivals in them.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Point:
    """One printed network.

    Attributes:
        paper: "LW-DNA", "DHP" or "MCH", whose table it stands in.
        network: the network, its data before it.
        method: as it is printed.
        error: top-1 error in percent minus that of the baseline of its training (a
            distilled one beside a distilled one).
        flops, params: in percent of the baseline's; None where not printed.
    """

    paper: str
    network: str
    method: str
    error: float
    flops: float | None
    params: float | None

    @property
    def own(self) -> bool:
        """Whether it is the method of the paper in whose table it stands."""
        return self.method.startswith(self.paper)


# Network: error of the baseline; method: error, FLOPs in %, parameters in %.
_Rows = dict[str, tuple[float, list[tuple[str, float, float | None, float | None]]]]

# "DHP KD" of these tables is DHP trained by LW-DNA's authors.
_LWDNA: _Rows = {
    "ImageNet ResNet50": (
        23.28,
        [
            ("LW-DNA", 23.00, 90.60, 92.90),
            ("MutualNet", 21.40, 100.0, 100.0),
            ("MetaPruning", 23.80, 72.86, None),
            ("AutoSlim", 24.00, 72.86, 90.39),
        ],
    ),
    "ImageNet RegNetX-4.0GF": (23.05, [("LW-DNA", 22.74, 95.49, 69.10)]),
    "ImageNet MobileNetV3 small": (34.91, [("LW-DNA", 34.84, 98.86, 98.11)]),
    "Tiny-ImageNet MobileNetV1": (
        48.00,
        [("DHP KD", 46.70, 99.16, 66.43), ("LW-DNA", 46.44, 96.23, 37.08)],
    ),
    "Tiny-ImageNet MobileNetV2": (
        41.25,
        [("DHP KD", 41.06, 96.34, 107.34), ("LW-DNA", 40.74, 93.76, 89.90)],
    ),
    "Tiny-ImageNet MobileNetV3 large": (
        38.21,
        [("DHP KD", 38.14, 99.53, 86.42), ("LW-DNA", 37.45, 92.67, 86.43)],
    ),
    "Tiny-ImageNet MobileNetV3 small": (
        41.52,
        [("DHP KD", 41.46, 92.75, 51.76), ("LW-DNA", 41.35, 85.99, 86.36)],
    ),
    "Tiny-ImageNet MnasNet": (
        48.17,
        [("DHP KD", 48.10, 97.42, 74.79), ("LW-DNA", 46.85, 92.25, 37.45)],
    ),
    "CIFAR100 RegNetY-200MF": (19.87, [("LW-DNA", 19.87, 92.74, 53.85)]),
    "CIFAR100 RegNetY-400MF": (18.71, [("LW-DNA", 18.65, 97.45, 62.48)]),
    "CIFAR100 RegNetX-200MF": (21.38, [("LW-DNA", 21.19, 92.02, 52.68)]),
    "CIFAR100 RegNetX-400MF": (19.06, [("LW-DNA", 18.81, 98.13, 91.56)]),
    "CIFAR100 EfficientNet": (19.73, [("LW-DNA", 19.54, 92.53, 51.28)]),
    "CIFAR100 DenseNet40": (22.84, [("LW-DNA", 22.46, 90.93, 92.35)]),
    "CIFAR10 DenseNet40": (4.88, [("LW-DNA", 4.87, 90.73, 90.87)]),
    "CIFAR10 ResNet-56": (5.73, [("LW-DNA", 5.49, 99.06, 62.62)]),
}
_DHP: _Rows = {
    "CIFAR10 ResNet-20": (
        7.46,
        [("DHP-50", 8.46, 51.80, 56.13), ("FPGM", 9.38, 46.00, None)],
    ),
    "CIFAR10 ResNet-56": (
        7.05,
        [
            ("DHP-50", 6.42, 50.96, 58.42),
            ("DHP-38", 7.06, 39.07, 41.10),
            ("CaP", 6.78, 50.20, None),
            ("AMC", 8.10, 50.00, None),
            ("KSE", 6.77, 48.00, 45.27),
            ("FPGM", 6.74, 47.70, None),
        ],
    ),
    "CIFAR10 ResNet-110": (
        5.31,
        [("DHP-62", 5.37, 63.66, 63.2), ("DHP-20", 6.61, 21.63, 22.40)],
    ),
    "CIFAR10 ResNet-164": (
        4.97,
        [("DHP-50", 5.22, 51.67, 50.97), ("DHP-20", 6.30, 21.78, 20.46)],
    ),
    "CIFAR10 DenseNet40": (
        5.26,
        [("DHP-38", 6.06, 39.80, 63.76), ("DHP-28", 6.51, 29.52, 26.01)],
    ),
    "Tiny-ImageNet MobileNetV1": (
        52.71,
        [
            ("DHP-24-2", 50.75, 101.08, 43.58),
            ("DHP-50", 51.63, 51.91, 36.95),
            ("width 0.75", 54.22, 57.42, 57.64),
            ("MetaPruning", 54.48, 56.77, 88.14),
        ],
    ),
    "Tiny-ImageNet MobileNetV2": (
        44.75,
        [
            ("DHP-24-2", 43.82, 99.09, 72.72),
            ("DHP-10", 52.43, 11.92, 6.50),
            ("width 0.3", 53.99, 10.09, 11.64),
            ("MetaPruning", 56.72, 11.00, 90.27),
        ],
    ),
}
# Errors follow from the printed accuracies, or from the printed differences; DCP's, whose
# baselines are others, are those that its differences make of MCH's baselines.
_MCH: _Rows = {
    "CIFAR10 ResNet-56": (
        7.01,
        [("MCH", 6.77, 50.0, None), ("DCP-Adapt", 7.00, 53.0, None)],
    ),
    "CIFAR10 MobileNetV2": (
        5.77,
        [("MCH", 5.32, 60.0, None), ("DCP", 5.55, 74.0, None)],
    ),
    "ImageNet ResNet34": (26.70, [("MCH", 27.15, 56.0, None)]),
    "ImageNet ResNet50": (23.85, [("MCH", 24.40, 44.0, None)]),
    "ImageNet ResNet101": (22.63, [("MCH", 22.42, 44.0, None)]),
    "ImageNet MobileNetV2": (27.88, [("MCH", 28.46, 69.9, None)]),
}


def printed_points() -> list[Point]:
    """All of them, table after table."""
    tables = {"LW-DNA": _LWDNA, "DHP": _DHP, "MCH": _MCH}
    return [
        Point(paper, network, method, round(error - baseline, 2), flops, params)
        for paper, rows in tables.items()
        for network, (baseline, printed) in rows.items()
        for method, error, flops, params in printed
    ]
