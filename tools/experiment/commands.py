"""How a command ends when something is wrong, or when it is interrupted."""

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def ending(kept: str) -> Iterator[None]:
    """Ends with one line: what was wrong, or, after Ctrl-C, what is kept.

    Args:
        kept: sentences that say what is kept, and how to go on.
    """
    try:
        yield
    except (ValueError, ImportError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(f"\nInterrupted. {kept}")
