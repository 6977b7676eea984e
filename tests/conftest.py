import gc
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import hypothesis
import pytest

hypothesis.settings.register_profile(
    "quick", max_examples=20, deadline=None, derandomize=True, print_blob=True
)
hypothesis.settings.register_profile(
    "all", max_examples=300, deadline=None, print_blob=True
)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


# They take longest: begun last, they would leave one of two processes idle.
FIRST = (
    "test_exporting test_file_size test_applications test_structure_search test_package "
    "test_train test_latency_tables test_table test_shrinking test_random_graphs "
    "test_restoration test_coverage test_training test_proximal test_methods test_tables"
).split()


def pytest_collection_modifyitems(items):
    places = {name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(FIRST)))


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
