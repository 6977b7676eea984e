"""The package as a whole: imports, layers, BUILD files, docstrings."""

import ast
import doctest
import importlib
import pathlib
import pkgutil
import subprocess
import sys

import pytest

import tf_hetero

ROOT = pathlib.Path(__file__).parent.parent
# From the bottom up: a module imports only what stands before it.
ORDER = """
version patterns files run_exported channels channel_ids hypernetwork latents layers
internals rules opening flattening tracing rebuilding counting widening widths selection
stripping batching losses recalibrating generating grouped reparameterizing saliency
proximal gating structure layer_scaling resource_term structure_search callbacks searching
report_style report_elements report_page report_figures reporting signatures
conversion exporting tfmot_errors tf_keras_layers tf_keras_operations tf_keras_models
tfmot shrinking
""".split()


def modules(folder):
    return sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / folder).rglob("*.py")
    )


def imports(module):
    """The project's modules that a module imports, wherever it does so."""
    path = ROOT / pathlib.Path(*module.split(".")).with_suffix(".py")
    known, found = {*modules("tf_hetero"), *modules("tools")}, set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            candidates = [[a.name, f"{a.name}.__init__"] for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = node.module
            candidates = [
                [
                    f"{origin}.{a.name}",
                    f"{origin}.{a.name}.__init__",
                    origin,
                    f"{origin}.__init__",
                ]
                for a in node.names
            ]
        else:
            continue
        found |= {next((n for n in names if n in known), None) for names in candidates}
    return found - {None}


def test_imports_run_one_way():
    for module in modules("tf_hetero"):
        top = module.split(".")[1]
        if top == "__init__":
            continue
        for imported in imports(module):
            other = imported.split(".")[1]
            if top in ("models", "datasets"):
                assert other == top, f"{module} imports {imported}"
            elif other != top:
                assert ORDER.index(other) < ORDER.index(top), f"{module} imports {imported}"


def targets(folder):
    """`{module: deps}` of a BUILD file, which is Python to the eye of `ast`."""
    found = {}
    for statement in ast.parse((ROOT / folder / "BUILD").read_text()).body:
        call = statement.value
        if getattr(call.func, "id", "") not in ("py_library", "py_binary"):
            continue
        values = {k.arg: k.value for k in call.keywords}
        (source,) = ast.literal_eval(values["srcs"])
        module = ".".join((*pathlib.Path(folder).parts, source.removesuffix(".py")))
        found[module] = set(
            ast.literal_eval(values.get("deps", ast.parse("[]").body[0].value))
        )
    return found


def label(module):
    *packages, name = module.split(".")
    return f"//{'/'.join(packages)}:{packages[-1] if name == '__init__' else name}"


@pytest.mark.parametrize(
    "folder",
    ["tf_hetero", "tf_hetero/rules", "tf_hetero/models", "tf_hetero/datasets", "tools"],
)
def test_build_files_say_what_is_imported(folder):
    stated = targets(folder)
    present = {
        m for m in modules(folder) if m.rpartition(".")[0] == folder.replace("/", ".")
    }
    assert set(stated) == present
    for module, deps in stated.items():
        assert deps == {label(m) for m in imports(module)}, module


def test_importing_adds_nothing_to_keras():
    """Keras itself brings TensorFlow, and what plots if it is there."""
    code = (
        "import sys, keras\n"
        "before = set(sys.modules)\n"
        "import tf_hetero\n"
        "new = {m.split('.')[0] for m in set(sys.modules) - before}\n"
        "new -= {'tf_hetero', 'keras', *sys.stdlib_module_names}\n"
        "assert not new, new\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("name", tf_hetero.__all__)
def test_public_names_are_documented(name):
    value = getattr(tf_hetero, name)
    if callable(value):
        assert value.__doc__ and len(value.__doc__.splitlines()[0]) > 10
        if not isinstance(value, type):
            assert "Args:" in value.__doc__ and "Example:" in value.__doc__


def test_examples_in_docstrings_run():
    pytest.importorskip("tensorflow")
    tried = 0
    for info in pkgutil.walk_packages(tf_hetero.__path__, "tf_hetero."):
        results = doctest.testmod(importlib.import_module(info.name))
        assert results.failed == 0, info.name
        tried += results.attempted
    assert tried > 40


def test_files_and_functions_stay_short():
    for module in (*modules("tf_hetero"), *modules("tools")):
        path = ROOT / pathlib.Path(*module.split(".")).with_suffix(".py")
        text = path.read_text()
        assert len(text.splitlines()) <= 400, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                length = body[-1].end_lineno - body[0].lineno + 1 if body else 0
                assert length <= 45, f"{path.name}: {node.name}"


def test_version_is_in_one_place():
    assert f"version: {tf_hetero.__version__}" in (ROOT / "CITATION.cff").read_text()
    assert f"## {tf_hetero.__version__}" in (ROOT / "CHANGELOG.md").read_text()
