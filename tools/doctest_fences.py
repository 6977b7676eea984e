"""Examples in docstrings as code blocks of the site, where Markdown would quote them.

An extension of griffe, which reads the docstrings for mkdocstrings (`mkdocs.yml`).
"""

import re
import textwrap
from typing import Any

import griffe

# Lines from the first `>>>` to the next empty one, all of one indentation.
_EXAMPLE = re.compile(r"^(?P<indent> *)>>> .*\n(?:(?P=indent)\S?.*\S.*(?:\n|\Z))*", re.M)

_REFERENCES = re.compile(r"^References:\n(?P<entries>(?: +\S.*(?:\n|\Z))+)", re.M)


class DoctestFences(griffe.Extension):
    """Puts fences around the examples of each docstring."""

    def on_instance(self, *, obj: griffe.Object, **others: Any) -> None:
        del others
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(text: str) -> str:
    """A docstring whose examples are fenced, with headings and lists of Markdown.

    >>> print(fenced("Example:\\n\\n>>> 1 + 1\\n2\\n"))
    **Example**
    <BLANKLINE>
    ```pycon
    >>> 1 + 1
    2
    ```
    <BLANKLINE>
    """
    titled = re.sub(r"^Example:\n+(?=>>>)", "**Example**\n\n", text, flags=re.M)
    return _EXAMPLE.sub(_fence, _REFERENCES.sub(_list, titled))


def _list(found: re.Match) -> str:
    return f"**References**\n\n{textwrap.dedent(found['entries'])}"


def _fence(found: re.Match) -> str:
    indent, lines = found["indent"], found[0].rstrip("\n")
    return f"{indent}```pycon\n{lines}\n{indent}```\n"
