"""The package as a whole: imports, layers, BUILD files, docstrings."""

import ast
import doctest
import functools
import graphlib
import importlib
import pathlib
import pkgutil
import subprocess
import sys

import pytest
from reference import ROOT

import tf_hetero

# From the bottom up: a room imports only what stands before it.
ROOMS = """
version extras files datasets hypernetwork proximal graph data widths surgery methods
report deployment latency restoration tracking tfmot shrinking testing models cli
""".split()
# Data sets and networks know nothing of channels.
ALONE = {"models": {"models"}, "datasets": {"datasets", "extras"}}
TOOLS = ("experiment", "benchmarks", "luck", "proofs", "serving")


def modules(folder):
    return sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / folder).rglob("*.py")
    )


def source(module):
    return ROOT / pathlib.Path(*module.split(".")).with_suffix(".py")


@functools.cache
def imports(module):
    """The project's modules that a module imports, wherever it does so."""
    known, found = {*modules("tf_hetero"), *modules("tools")}, set()
    for node in ast.walk(ast.parse(source(module).read_text())):
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
    return frozenset(found - {None})


def test_every_room_says_what_lives_there():
    for room in (*ROOMS, *(f"../tools/{name}" for name in TOOLS)):
        folder = ROOT / "tf_hetero" / room
        if folder.is_dir():
            text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
            assert text and text.splitlines()[0].endswith((".", ":")), room
            if room in ROOMS:
                assert "Imports" in text and "import it" in text, room


def test_imports_run_one_way():
    for module in modules("tf_hetero"):
        room = module.split(".")[1]
        for imported in imports(module) if room != "__init__" else ():
            other = imported.split(".")[1]
            allowed = ALONE.get(room, {*ROOMS[: ROOMS.index(room) + 1]})
            assert other in allowed, f"{module} imports {imported}"


def test_methods_never_import_each_other():
    for module in modules("tf_hetero/methods"):
        method = module.split(".")[2]
        if method in ("lwdna", "dhp", "mch"):
            of_methods = {i.split(".")[2] for i in imports(module) if ".methods." in i}
            assert not of_methods & {"lwdna", "dhp", "mch"} - {method}, module


def test_no_module_imports_itself_by_way_of_others():
    """Packages by their `__init__` left out: these only name what lies in them."""
    edges = {
        m: {i for i in imports(m) if not i.endswith("__init__")}
        for folder in ("tf_hetero", "tools")
        for m in modules(folder)
    }
    assert list(graphlib.TopologicalSorter(edges).static_order())


def targets(folder):
    """`{target: (its files, its deps)}` of a BUILD file, Python to the eye of `ast`."""
    found = {}
    for statement in ast.parse((ROOT / folder / "BUILD").read_text()).body:
        call = statement.value
        if getattr(call.func, "id", "") not in ("py_library", "py_binary"):
            continue
        values = {k.arg: k.value for k in call.keywords}
        srcs, nothing = values["srcs"], ast.parse("[]").body[0].value
        patterns = ast.literal_eval(srcs.args[0] if isinstance(srcs, ast.Call) else srcs)
        files = {f for pattern in patterns for f in (ROOT / folder).glob(pattern)}
        deps = set(ast.literal_eval(values.get("deps", nothing)))
        found[f"//{folder}:{ast.literal_eval(values['name'])}"] = files, deps
    return found


def test_build_files_say_what_is_imported():
    folders = ["tf_hetero", "tools"]
    folders += [f"tf_hetero/{r}" for r in ROOMS if (ROOT / "tf_hetero" / r).is_dir()]
    folders += [f"tools/{name}" for name in TOOLS]
    stated = {k: v for folder in folders for k, v in targets(folder).items()}
    owner = {file: target for target, (files, _) in stated.items() for file in files}
    everything = [*modules("tf_hetero"), *modules("tools")]
    assert {source(module) for module in everything} == set(owner)
    for target, (files, deps) in stated.items():
        imported = {
            owner[source(i)]
            for module in everything
            if source(module) in files
            for i in imports(module)
        }
        assert deps == imported - {target}, target


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
        assert "Example:" in value.__doc__ and ">>> " in value.__doc__
        if not isinstance(value, type):
            assert "Args:" in value.__doc__


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
        assert len(text.splitlines()) <= 350, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                length = body[-1].end_lineno - body[0].lineno + 1 if body else 0
                assert length <= 45, f"{path.name}: {node.name}"
                named = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                taken = [a.arg for a in named if a.arg not in ("self", "cls")]
                assert len(taken) <= 12, f"{path.name}: {node.name}"


def test_version_is_in_one_place():
    assert f"version: {tf_hetero.__version__}" in (ROOT / "CITATION.cff").read_text()
    assert f"## [{tf_hetero.__version__}] - 20" in (ROOT / "CHANGELOG.md").read_text()
