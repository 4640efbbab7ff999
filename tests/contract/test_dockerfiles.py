"""The Dockerfiles against the repository they copy from and the code they start."""

import ast
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from docs_source import SERVICES
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

Dockerfiles = dict[str, list[Any]]

FOLDERS = {f"services/{service}": package for service, package in SERVICES.items()} | {"cli": "labelmill_cli"}
PORT = "8080"


def words(dockerfiles: Dockerfiles, folder: str, word: str) -> list[str]:
    return [instruction.rest for instruction in dockerfiles[folder] if instruction.word == word]


def environment(dockerfiles: Dockerfiles, folder: str) -> dict[str, str]:
    pairs = " ".join(words(dockerfiles, folder, "ENV")).split()
    return dict(pair.split("=", 1) for pair in pairs)


def project(root: Path, folder: str) -> dict[str, Any]:
    document: dict[str, Any] = tomllib.loads((root / folder / "pyproject.toml").read_text())["project"]
    return document


def test_every_part_has_one(dockerfiles: Dockerfiles) -> None:
    assert set(dockerfiles) == set(FOLDERS)


def test_they_are_alike(root: Path) -> None:
    def common(folder: str) -> str:
        text = (root / folder / "Dockerfile").read_text().replace("'./shared[embedding]'", "./shared")
        return text.replace(f'"{FOLDERS[folder]}"', '"MODULE"').replace(folder, "FOLDER")

    services = {common(folder) for folder in FOLDERS if folder != "cli"}
    assert len(services) == 1
    assert common("cli").split("ENV")[0] == services.pop().split("ENV")[0]


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_is_copied_exists_and_reaches_the_builder(
    dockerfiles: Dockerfiles, root: Path, folder: str
) -> None:
    allowed = {line[1:] for line in (root / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copies = [copy.split() for copy in words(dockerfiles, folder, "COPY") if not copy.startswith("--from")]
    assert copies
    for *sources, _ in copies:
        for source in sources:
            assert (root / source).exists(), source
            assert source.split("/")[0] in allowed, f"{source} is kept from the builder by .dockerignore"


def test_the_builder_gets_no_secret_and_no_state(root: Path) -> None:
    lines = (root / ".dockerignore").read_text().splitlines()
    assert next(line for line in lines if line and not line.startswith("#")) == "*"
    assert not any(".env" in line for line in lines if line.startswith("!"))


@pytest.mark.parametrize("folder", FOLDERS)
def test_it_runs_as_a_numbered_user_without_rights(dockerfiles: Dockerfiles, folder: str) -> None:
    assert words(dockerfiles, folder, "USER") == ["10001:10001"]
    before = [i.word for i in dockerfiles[folder]]
    assert before.index("USER") < max(i for i, word in enumerate(before) if word == "CMD")


@pytest.mark.parametrize("folder", sorted(set(FOLDERS) - {"cli"}))
def test_its_command_port_and_health_page_are_those_of_the_code(
    dockerfiles: Dockerfiles, folder: str
) -> None:
    (command,) = words(dockerfiles, folder, "CMD")
    assert json.loads(command) == ["python", "-m", FOLDERS[folder]]
    assert importlib.util.find_spec(f"{FOLDERS[folder]}.__main__") is not None
    assert words(dockerfiles, folder, "EXPOSE") == [PORT]
    assert environment(dockerfiles, folder)["HTTP_PORT"] == PORT
    assert environment(dockerfiles, folder)["HTTP_HOST"] == "0.0.0.0"
    (check,) = words(dockerfiles, folder, "HEALTHCHECK")
    url = urlsplit(re.search(r"http://[^']+", check)[0])  # type: ignore[index]
    assert (str(url.port), url.path) == (PORT, "/health/live")
    compile(re.search(r'"-c", "(.+)"\]', check)[1], "HEALTHCHECK", "exec")  # type: ignore[index]


def test_the_command_line_is_installed_under_the_name_the_image_calls(
    dockerfiles: Dockerfiles, root: Path
) -> None:
    (entrypoint,) = words(dockerfiles, "cli", "ENTRYPOINT")
    module, function = project(root, "cli")["scripts"][json.loads(entrypoint)[0]].split(":")
    assert callable(getattr(importlib.import_module(module), function))


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_installer_is_the_one_that_the_set_up_uses(
    dockerfiles: Dockerfiles, root: Path, folder: str
) -> None:
    pinned = re.search(r"^UV_VERSION=(\S+)$", (root / "scripts/setup.sh").read_text(), re.MULTILINE)
    assert pinned is not None
    assert any(f"uv=={pinned[1]}" in run for run in words(dockerfiles, folder, "RUN"))


@pytest.mark.parametrize("folder", FOLDERS)
def test_it_installs_the_extras_that_the_package_asks_for(
    dockerfiles: Dockerfiles, root: Path, folder: str
) -> None:
    wanted = {r.name: r.extras for r in map(Requirement, project(root, folder)["dependencies"])}
    (install,) = [run for run in words(dockerfiles, folder, "RUN") if "uv pip install" in run]
    assert ("./shared[embedding]" in install) == ("embedding" in wanted["labelmill-shared"])


@pytest.mark.parametrize("folder", FOLDERS)
def test_it_declares_what_it_imports(root: Path, folder: str) -> None:
    package = FOLDERS[folder]
    declared = _closure(project(root, folder)["dependencies"])
    providers = packages_distributions()
    for name in sorted(_imports(root / folder / package) - {package}):
        distributions = {canonicalize_name(found) for found in providers.get(name, [name])}
        assert distributions & declared, f"{folder} imports {name}; its pyproject.toml does not ask for it"


@pytest.mark.parametrize("folder", FOLDERS)
def test_everything_that_it_installs_is_pinned(root: Path, folder: str) -> None:
    locks = (root / name for name in ("requirements.lock", "requirements-models.lock"))
    pinned = {
        canonicalize_name(name)
        for lock in locks
        for name in re.findall(r"^([\w.-]+)==", lock.read_text(), re.MULTILINE)
    }
    wanted = {name for name in _closure(project(root, folder)["dependencies"]) if "labelmill" not in name}
    assert wanted - pinned == set(), "run `make lock`"


def _imports(folder: Path) -> set[str]:
    """Return the top-level packages imported when a module of `folder` is loaded."""
    found: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names)


def _closure(dependencies: list[str]) -> set[str]:
    """Return the names of the distributions that `dependencies` bring, with the extras they ask for."""
    pending = [Requirement(text) for text in dependencies]
    seen: set[tuple[str, frozenset[str]]] = set()
    while pending:
        requirement = pending.pop()
        key = (str(canonicalize_name(requirement.name)), frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        for text in requires(requirement.name) or []:
            inner = Requirement(text)
            extras = requirement.extras or {""}
            if inner.marker is None or any(inner.marker.evaluate({"extra": extra}) for extra in extras):
                pending.append(inner)
    return {name for name, _ in seen}


@pytest.mark.parametrize("folder", ["shared", *FOLDERS])
def test_every_data_file_reaches_the_image(root: Path, folder: str, tmp_path: Path) -> None:
    package = FOLDERS.get(folder, "labelmill")
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns("*.egg-info", "build", "__pycache__", "tests", ".*_cache")
    shutil.copytree(root / folder, source, ignore=ignored)
    build = "from setuptools.build_meta import build_wheel; import sys; print(build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    files = [path for path in (source / package).rglob("*") if path.is_file()]
    assert {str(path.relative_to(source)) for path in files} - packed == set()
