"""Pages of the documentation site that lie outside of docs/, for `make docs` (mkdocs.yml).

The site holds README.md as its home, the other pages of the repository, one page a module with what its docstrings say,
and whatever the pages link: tests with their source, data files as they are. Links between pages are written as paths
of the repository, so that they work in a repository viewer, and translated here.
"""

import posixpath
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
HOME = "README.md"
PACKAGES = ("roma", "analysis")
LINK = re.compile(r"(?<=\]\()([^)\s#]+)(?=(?:#[^)\s]*)?\))")
FORMULA = re.compile(r"(`+[^`]*`+)|\$([^$\n]+)\$")
NESTED = re.compile(r"^ {2}(?=- )", re.MULTILINE)

Navigation = list[Any]  # of paths and of {title: Navigation}, as MkDocs reads it


def repository_pages() -> list[str]:
    """Return the paths of the pages outside of docs/, those of the top level first."""
    folders = (*PACKAGES, "data", "tests/golden")
    patterns = ("README.md", "cards/*/*.md")
    below = sorted(path for folder in folders for each in patterns for path in (ROOT / folder).rglob(each))
    found = [ROOT / HOME, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *below]
    return [path.relative_to(ROOT).as_posix() for path in found]


def modules() -> list[str]:
    """Return the paths of the modules of the installed packages, without entry points and empty files."""
    found = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    return [path.relative_to(ROOT).as_posix() for path in found if path.stem != "__main__" and path.stat().st_size]


def place(path: str) -> str:
    """Return where the site has a file of the repository, relative to its top."""
    if path == HOME:
        return "index.md"
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if not path.endswith(".py"):
        return path
    folder = "modules/" if path.startswith(PACKAGES) else ""
    return folder + path.removesuffix(".py").replace("__init__", "index") + ".md"


def linked(page: str) -> list[str]:
    """Return the paths of the files that a page links."""
    targets = LINK.findall((ROOT / page).read_text(encoding="utf-8"))
    return [_joined(page, target) for target in dict.fromkeys(targets) if "://" not in target]


def navigation(pages: Sequence[str], documented: Sequence[str]) -> Navigation:
    """Return the navigation: the home, the pages of docs/, those of the packages, and the tree of modules."""
    tree: Navigation = []
    for path in documented:
        level = tree
        for package in PurePosixPath(path).parts[:-1]:
            entry = next((entry[package] for entry in level if isinstance(entry, dict) and package in entry), None)
            if entry is None:
                entry = []
                level.append({package: entry})
            level = entry
        module = PurePosixPath(path).stem
        level.append(place(path) if module == "__init__" else {module: place(path)})
    guide = [place(page) for page in pages if page.startswith("docs/")]
    others = [place(page) for page in pages if not page.startswith("docs/") and page != HOME]
    return [{"Home": place(HOME)}, {"Guide": guide}, {"Repository": others}, {"Modules": tree}]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages outside of docs/, the modules, and the files that pages link."""
    pages = [*repository_pages(), *(f"docs/{file.src_uri}" for file in files.documentation_pages())]
    documented = modules()
    config.nav = navigation(pages, documented)
    for path in pages:
        if not path.startswith("docs/"):
            _add(files, config, path, (ROOT / path).read_text(encoding="utf-8"))
    for path in documented:
        name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        _add(files, config, path, f"# `{name}`\n\n::: {name}\n")
    for path in sorted({path for page in pages for path in linked(page)} - {*pages, *documented}):
        if path.startswith("docs/"):
            continue  # MkDocs has it, or says that it is missing
        if not (ROOT / path).is_file():
            raise PluginError(f"a page links {path}, which is no file of the repository")
        text = (ROOT / path).read_text(encoding="utf-8")
        _add(files, config, path, f"# `{path}`\n\n``````python\n{text}``````\n" if path.endswith(".py") else text)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Translate what repository viewers show into what MkDocs reads: links, formulas, nested lists."""
    here = page.file.src_uri
    path = next((path for path in repository_pages() if place(path) == here), f"docs/{here}")
    if not (ROOT / path).is_file():
        return markdown  # made here

    def relative(match: re.Match[str]) -> str:
        if "://" in match[1]:
            return match[1]
        return posixpath.relpath(place(_joined(path, match[1])), posixpath.dirname(here) or ".")

    def formula(match: re.Match[str]) -> str:
        return match[1] or convert(match[2])

    return NESTED.sub("    ", FORMULA.sub(formula, LINK.sub(relative, markdown)))


def _joined(page: str, target: str) -> str:
    """Return the path of the repository that a relative link of a page means."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), target))


def _add(files: Files, config: MkDocsConfig, path: str, content: str) -> None:
    """Add a file of the repository to those of the site."""
    files.append(File.generated(config, place(path), content=content))
