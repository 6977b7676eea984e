import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import hypothesis

hypothesis.settings.register_profile(
    "quick", max_examples=20, deadline=None, derandomize=True, print_blob=True
)
hypothesis.settings.register_profile("all", max_examples=200, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
