"""Which models shrink: builders of keras.applications, and what others build on Keras.

    python -m tools.coverage
    python -m tools.coverage --hub
    python -m tools.coverage --third_party
    python -m tools.coverage --patterns

Others are backbones of keras-hub; detectors, segmenters and classifiers of other packages
(the extra zoo); and models as their users write them. Each model is proved in a process
of its own (`tools.proofs.proof`). Results go to `results/coverage/`, one JSON file a
model, and from there into `docs/coverage.md`. A model that was better in the stored
result is a regression: the stored one stays, and the exit status is 1.
"""

import datetime
import json
import pathlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from absl import app, flags

_HUB = flags.DEFINE_bool("hub", False, "keras-hub's backbones instead; needs keras-hub.")
_ZOO = flags.DEFINE_bool(
    "third_party", False, "Models of other packages instead; needs the extra zoo."
)
_PATTERNS = flags.DEFINE_bool("patterns", False, "Models as users write them instead.")
_MODELS = flags.DEFINE_string("models", ".*", "A regular expression: which models.")
_SIZE = flags.DEFINE_integer("size", 96, "Pixels a side.", lower_bound=75)
_RESULTS = flags.DEFINE_string("results", "results/coverage", "Folder of the results.")
_PAGE = flags.DEFINE_string("page", "docs/coverage.md", "The page that is written.")
_ACCEPT = flags.DEFINE_bool("accept", False, "Stores results that are regressions, too.")
_HERE = flags.DEFINE_string("here", "", "Internal: FAMILY.NAME to prove in this process.")


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}")
    if _HERE.value:
        print(json.dumps(_prove_here(*_HERE.value.split(".", 1))))
        return
    try:
        family = _family()
        regressions = cover(family, _names(family))
    except ValueError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. Finished models are stored.")
    for line in regressions:
        print(f"regression: {line}")
    sys.exit(1 if regressions else 0)


def _family() -> str:
    flagged = {"hub": _HUB, "zoo": _ZOO, "patterns": _PATTERNS}
    chosen = [family for family, flag in flagged.items() if flag.value]
    if len(chosen) > 1:
        names = ", ".join(f"--{flagged[family].name}" for family in chosen)
        raise ValueError(f"One kind of models must be chosen. Received: {names}")
    return chosen[0] if chosen else "applications"


def cover(family: str, names: list[str]) -> list[str]:
    """Proves all models, writes the page, and returns what got worse."""
    from tf_hetero.files import write_text
    from tools.proofs.page import page, row

    folder, regressions = pathlib.Path(_RESULTS.value), []
    for number, name in enumerate(names, start=1):
        path = folder / f"{family}.{name}.json"
        result = {"family": family, "model": name, **_in_process(family, name)}
        print(f"[{number}/{len(names)}] {row(result)}", flush=True)
        stored = json.loads(path.read_text()) if path.exists() else None
        worse = regression(stored, result)
        if worse:
            regressions.append(f"{name}: {worse}")
        if not worse or _ACCEPT.value:
            write_text(path, json.dumps(result, indent=1) + "\n")
    results = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    write_text(pathlib.Path(_PAGE.value), page(results))
    return regressions


def regression(stored: dict[str, Any] | None, result: dict[str, Any]) -> str | None:
    """In which way a result is worse than the stored one, if it is."""
    if stored is None or stored["failure"]:
        return None
    if result["failure"]:
        return f"fails now ({result['failure']})"
    if result["removable"] < stored["removable"]:
        return (
            f"{result['removable']:.2%} of the channels can be removed, "
            f"{stored['removable']:.2%} before"
        )
    return None


def builders(family: str, size: int) -> dict[str, Callable[[], Any]]:
    """`{name: function that builds the model}`, in the family's order.

    Raises:
        ValueError: if packages that are needed are missing.
    """
    try:
        if family == "hub":
            from tools.proofs import hub_models

            return hub_models.builders(size)
        if family == "zoo":
            from tools.proofs import zoo_models

            return zoo_models.builders(size)
    except ImportError as error:
        raise ValueError(
            f"The models come from packages that must be installed. Received: {error} "
            f"Install them: pip install 'tf_hetero[{family}]'."
        ) from error
    if family == "patterns":
        from tools.proofs import patterns

        return patterns.builders(size)
    import keras

    def builder(make: Callable[..., Any]) -> Callable[[], Any]:
        return lambda: make(
            weights=None,
            input_shape=(size, size, 3),
            classes=100,
            classifier_activation=None,
        )

    names = [name for name in dir(keras.applications) if name[0].isupper()]
    return {name: builder(getattr(keras.applications, name)) for name in names}


def _names(family: str) -> list[str]:
    known = list(builders(family, _SIZE.value))
    names = [name for name in known if re.fullmatch(_MODELS.value, name)]
    if not names:
        raise ValueError(
            f"--models must match a model. Received: {_MODELS.value!r}, which matches "
            f"none of {known}"
        )
    return names


def _in_process(family: str, name: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tools.coverage", f"--here={family}.{name}"]
    command.append(f"--size={_SIZE.value}")
    child = subprocess.run(command, capture_output=True, text=True)
    if child.returncode == 0:
        result = json.loads(child.stdout.splitlines()[-1])
    else:
        errors = re.findall(r"^\S*(?:Error|Exception)\b.*", child.stderr, re.MULTILINE)
        last = errors[-1] if errors else f"exit status {child.returncode}"
        result = {"failure": last[:300]}
    return {**result, "size": _SIZE.value, "date": datetime.date.today().isoformat()}


def _prove_here(family: str, name: str) -> dict[str, Any]:
    from tools.experiment.provenance import machine
    from tools.proofs.proof import prove

    with tempfile.TemporaryDirectory() as folder:
        result = prove(builders(family, _SIZE.value)[name], pathlib.Path(folder))
    return {**result, "machine": machine()}


if __name__ == "__main__":
    app.run(main)
