import gc
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import hypothesis
import pytest

hypothesis.settings.register_profile(
    "quick", max_examples=20, deadline=None, derandomize=True, print_blob=True
)
hypothesis.settings.register_profile("all", max_examples=200, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_collection_finish(session):
    """What was imported stays: Python need not look through it for garbage again."""
    del session
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def leave_nothing_behind():
    """Models of earlier files make every collection of garbage, and so all, slower."""
    yield
    import keras

    keras.backend.clear_session()
    gc.collect()
