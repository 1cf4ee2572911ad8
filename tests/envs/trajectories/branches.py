"""Which branches of the kernel recorded trajectories reach, found by playing them uncompiled.

Every condition in the kernel's sources (of `if`, `while`, conditional expressions, and each operand of `and` and `or`)
is wrapped in a call that notes its outcome; every function and every loop body notes that it was entered; `min` and
`max` note which argument they chose. Each episode played has to have its recorded digest: uncompiled, the kernel does
what it does compiled.

Works only in a process of its own, in which NUMBA_DISABLE_JIT is set and nothing of the engine has been imported.
"""

from __future__ import annotations

import ast
import builtins
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGE = "roma.envs.skirmish.kernel"
ROOT = Path(__file__).parents[3]
LARGEST_REGION = 140  # cells

Asked = tuple[str, str, Sequence[int]]  # map, play, numbers of episodes, which are played side by side
Edits = Mapping[str, tuple[str, str]]  # of a file of the kernel: text and what stands in its place


# Recorded episodes that together reach all branches that any is known to reach, on maps that are quick uncompiled.
REACHING: list[Asked] = [
    ("2m_vs_1z", "retreat", [0, 1]),
    ("2m_vs_1z", "scripted, sparse reward", [0]),
    ("2s3z", "other settings, random", [0, 1]),
    ("2s3z", "other settings, scripted", [0]),
    ("2s3z", "scripted, sparse reward", [0, 1]),
    ("3m", "random, all options on", [0, 1]),
    ("3s_vs_3z", "lure", [0, 1]),
    ("3s_vs_3z", "retreat", [0]),
    ("3s_vs_3z", "scripted, sparse reward", [0, 1]),
    ("6z4b", "other settings, scripted", [0, 1]),
    ("6z4b", "random, all options on", [0, 1]),
    ("1c3s5z", "random", [0]),
    ("10z5b_vs_2s3z", "random", [0, 1]),
    ("10z5b_vs_2s3z", "random, all options off", [0, 1]),
    ("10z5b_vs_2s3z", "random, all options on", [0]),
    ("6s4z_vs_10b30z", "random", [0]),
    ("MMM", "advance", [0]),
    ("MMM", "random", [0, 4]),
    ("MMM", "random, all options off", [0, 1]),
    ("MMM", "retreat", [0]),
    ("MMM", "scripted", [5, 7]),
    ("MMM", "split fire", [1]),
]


def reasons() -> dict[str, str]:
    """Return the branches that no recorded episode reaches, by `Branch.key`, and why not."""
    known: dict[str, str] = json.loads((ROOT / "tests" / "golden" / "unreached_branches.json").read_text())
    return known


@dataclass(frozen=True, slots=True)
class Branch:
    """One outcome of a condition, or the entry into a function or loop."""

    file: str
    function: str
    line: int
    source: str
    outcome: str

    @property
    def key(self) -> str:
        """Name that does not change where lines move."""
        return f"{self.file}, {self.function}: {self.source} [{self.outcome}]"


class Book:
    """All branches found in the sources, and those that were reached."""

    def __init__(self) -> None:
        self.branches: list[Branch] = []
        self.reached: set[int] = set()

    def enter(self, branch: Branch) -> int:
        self.branches.append(branch)
        return len(self.branches) - 1

    @property
    def unreached(self) -> list[Branch]:
        return [branch for number, branch in enumerate(self.branches) if number not in self.reached]


class Instrumenter(ast.NodeTransformer):
    """Wraps the conditions of one module; numbers are those of the book."""

    def __init__(self, file: str, text: str, book: Book) -> None:
        self.file, self.lines, self.book = file, text.encode().split(b"\n"), book
        self.function = ""

    def number(self, node: ast.AST, *outcomes: str) -> ast.expr:
        """Enter the outcomes of a node and return the number of the first."""
        source = " ".join(self.segment(node).split())
        if isinstance(node, (ast.FunctionDef, ast.For, ast.While)):
            source = source.partition(":")[0]
        line: int = node.lineno  # type: ignore[attr-defined]
        numbers = [self.book.enter(Branch(self.file, self.function, line, source, outcome)) for outcome in outcomes]
        return ast.Constant(numbers[0])

    def segment(self, node: Any) -> str:
        """Return the source of a node, as `ast.get_source_segment` does, which splits the whole text each time."""
        lines = self.lines[node.lineno - 1 : node.end_lineno]
        lines[-1] = lines[-1][: node.end_col_offset]
        lines[0] = lines[0][node.col_offset :]
        return b"\n".join(lines).decode()

    def condition(self, node: ast.expr) -> ast.expr:
        """Return a condition that notes its outcomes, of each operand where it has several."""
        if isinstance(node, ast.BoolOp):
            node.values = [self.condition(value) for value in node.values]
            return node
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            node.operand = self.condition(node.operand)
            return node
        number = self.number(node, "true", "false")
        return ast.Call(ast.Name("_outcome", ast.Load()), [number, self.visit(node)], [])

    def entered(self, node: ast.FunctionDef | ast.For) -> None:
        """Note the entry into a function or loop body, behind its docstring."""
        place = 1 if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None else 0
        call = ast.Call(ast.Name("_reached", ast.Load()), [self.number(node, "entered")], [])
        self.generic_visit(node)
        node.body.insert(place, ast.Expr(call))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.function = node.name
        self.entered(node)
        return node

    def visit_For(self, node: ast.For) -> ast.AST:
        self.entered(node)
        return node

    def visit_If(self, node: ast.If | ast.While | ast.IfExp) -> ast.AST:
        node.test = self.condition(node.test)
        for name in ("body", "orelse"):
            part = getattr(node, name)
            visited = [self.visit(each) for each in part] if isinstance(part, list) else self.visit(part)
            setattr(node, name, visited)
        return node

    def visit_While(self, node: ast.While) -> ast.AST:
        return self.visit_If(node)

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        return self.visit_If(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        """The last operand of a value decides nothing more."""
        node.values = [*map(self.condition, node.values[:-1]), self.visit(node.values[-1])]
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id in ("min", "max"):
            chosen = [f"{node.func.id} is {ast.unparse(each)}" for each in node.args]
            number = self.number(node, *chosen)
            self.generic_visit(node)
            return ast.Call(ast.Name(f"_{node.func.id}", ast.Load()), [number, *node.args], [])
        self.generic_visit(node)
        return node


class Loader(SourceFileLoader):
    """Loads a module of the kernel with its conditions wrapped, after the edits asked for."""

    book: Book
    edits: Edits

    def get_code(self, fullname: str) -> Any:
        text = self.get_data(self.path).decode()
        file = Path(self.path).name
        if file in self.edits:
            old, new = self.edits[file]
            assert text.count(old) == 1, f"{file} has {old!r} {text.count(old)} times"
            text = text.replace(old, new)
        tree = Instrumenter(file, text, self.book).visit(ast.parse(text))
        return compile(ast.fix_missing_locations(tree), self.path, "exec")

    def exec_module(self, module: ModuleType) -> None:
        note = self.book.reached.add

        def outcome(number: int, value: Any) -> Any:
            note(number if value else number + 1)
            return value

        def choosing(choose: Callable[..., Any]) -> Callable[..., Any]:
            def chosen(number: int, *values: Any) -> Any:
                value = choose(*values)
                note(number + next(k for k, each in enumerate(values) if each is value or each == value))
                return value

            return chosen

        module.__dict__.update(
            _outcome=outcome, _reached=note, _min=choosing(builtins.min), _max=choosing(builtins.max)
        )
        super().exec_module(module)


class Finder(PathFinder):
    """Finds the kernel's modules, to be loaded by `Loader`."""

    @classmethod
    def find_spec(cls, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if fullname != PACKAGE and not fullname.startswith(PACKAGE + "."):
            return None
        spec = super().find_spec(fullname, path, target)
        if spec and spec.origin:
            spec.loader = Loader(fullname, spec.origin)
        return spec


class Rows(list[Any]):
    """Records that a kernel without compilation can read and write by attribute, faster than NumPy's."""

    @property
    def shape(self) -> tuple[int]:
        return (len(self),)


class Table(list[Rows]):
    """Records of E battles, read as `table[b]` or `table[b, i]`."""

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, tuple):
            battle, unit = place
            return super().__getitem__(battle)[unit]
        return super().__getitem__(place)


def rows_of(array: Any) -> Rows:
    """Return structured records (N,) as objects."""
    names = array.dtype.names
    kind = type("Row", (), {"__slots__": names})
    rows = Rows()
    for values in array.tolist():
        row = kind()
        for name, value in zip(names, values, strict=True):
            setattr(row, name, value)
        rows.append(row)
    return rows


def prepare(env: Any) -> None:
    """Give an environment records in place of arrays of records, which uncompiled code cannot read by attribute."""
    env.rules = env.rules._replace(unit=rows_of(env.rules.unit))
    env._battles = env._battles._replace(units=Table(map(rows_of, env._battles.units)))


def use_compiled_ways() -> None:
    """Let a compiled process find the ways around the cliffs of larger maps: uncompiled that takes minutes."""
    from roma.envs.skirmish import rules

    uncompiled = rules.waypoints

    def ways(walkable: Any, region: Any) -> Any:
        return uncompiled(walkable, region) if region.sum() <= LARGEST_REGION else compiled_ways(walkable, region)

    rules.waypoints = ways  # type: ignore[assignment]


def compiled_ways(walkable: Any, region: Any) -> Any:
    """Return `waypoints` of a map's grid and region, from a process that compiles."""
    import numpy as np

    program = (
        "import sys, numpy as np; from roma.envs.skirmish.kernel import waypoints; from roma.scenarios import SIZE;"
        "grids = np.frombuffer(sys.stdin.buffer.read(), np.bool_).reshape(2, SIZE, SIZE).copy();"
        "sys.stdout.buffer.write(waypoints(*grids).tobytes())"
    )
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_DISABLE_JIT"}
    asked = np.array([walkable, region]).tobytes()
    table = subprocess.run(
        [sys.executable, "-c", program], input=asked, env=environment, capture_output=True, check=True
    )
    return np.frombuffer(table.stdout, np.int16).reshape(walkable.size, walkable.size)


def play(asked: Iterable[Asked], edits: Edits) -> tuple[dict[str, str], Book]:
    """Play recorded episodes uncompiled; returns their digests, by `map/play/number`, and the book.

    The edits are made in the kernel's sources first.
    """
    assert os.environ.get("NUMBA_DISABLE_JIT") == "1"
    assert PACKAGE not in sys.modules
    Loader.book, Loader.edits = Book(), edits
    sys.meta_path.insert(0, Finder)
    import numpy as np

    from tests.envs.trajectories.plays import episode_digests

    use_compiled_ways()
    digests = {}
    with np.errstate(over="ignore"):  # the random stream counts modulo 2 ** 64
        for map_name, name, numbers in asked:
            found = episode_digests(map_name, name, len(numbers), numbers, prepare)
            digests |= {f"{map_name}/{name}/{k}": digest for k, digest in zip(numbers, found, strict=True)}
    return digests, Loader.book


@dataclass(frozen=True, slots=True)
class Answer:
    """What uncompiled play shows."""

    digests: dict[str, str]  # of the episodes, by `map/play/number`
    unreached: list[Branch]
    total: int  # branches


def uncompiled(asked: Sequence[Asked], edits: Edits | None = None) -> Answer:
    """Play recorded episodes uncompiled in a process of its own."""
    question = json.dumps({"asked": list(asked), "edits": dict(edits or {})})
    command = [sys.executable, "-m", "tests.envs.trajectories.branches"]
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT)}
    outcome = subprocess.run(command, input=question, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stderr
    found = json.loads(outcome.stdout)
    return Answer(found["digests"], [Branch(*branch) for branch in found["unreached"]], found["total"])


def answer() -> None:
    """Do what the standard input asks for and print the answer."""
    asked = json.load(sys.stdin)
    digests, book = play(asked["asked"], asked["edits"])
    unreached = [astuple(branch) for branch in book.unreached]
    print(json.dumps({"digests": digests, "unreached": unreached, "total": len(book.branches)}))


def main() -> int:
    """Print branches that no recorded trajectory reaches; 1 if one has no reason or one with a reason is reached."""
    found, known = uncompiled(REACHING), reasons()
    for branch in found.unreached:
        print(f"{branch.file}:{branch.line}, {branch.function}: {branch.source} [{branch.outcome}]")
        print(f"    {known.get(branch.key, 'NO REASON KNOWN')}")
    wrongly_explained = known.keys() - {branch.key for branch in found.unreached}
    for key in sorted(wrongly_explained):
        print(f"reached, or gone from the sources: {key}")
    print(
        f"{found.total - len(found.unreached)} of {found.total} branches are reached by {len(found.digests)} episodes"
    )
    return int(bool(wrongly_explained or {branch.key for branch in found.unreached} - known.keys()))


if __name__ == "__main__":
    answer()
