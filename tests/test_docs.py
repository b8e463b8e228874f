"""The pages tell the truth: their links lead somewhere, the files they name are there, and every dependency has its reason."""

from __future__ import annotations

import re
import subprocess
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
TOP = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs", "examples", "service", "openapi", "benchmarks")
PAGES = sorted(
    page
    for place in TOP
    for page in ([ROOT / place] if place.endswith(".md") else (ROOT / place).rglob("*.md"))
    if "node_modules" not in page.parts
)
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PATH = re.compile(r"`((?:core|service|tests|docs|examples|requirements|openapi|deploy|benchmarks)/[\w./-]*)`")
PIN = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[^\s;\\]+)", re.MULTILINE)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        if target.startswith(("https://", "/")):  # the second: a page that the running service has
            continue
        place, _, anchor = target.partition("#")
        destination = (page.parent / place) if place else page
        assert destination.exists(), f"{name(page)} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", destination.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_that_are_named_exist(page: Path) -> None:
    missing = [path for path in PATH.findall(page.read_text()) if not (ROOT / path).exists()]
    assert not missing


def test_every_page_can_be_reached_from_the_index() -> None:
    seen: set[Path] = set()
    ahead = [ROOT / "docs/index.md"]
    while ahead:
        page = ahead.pop().resolve()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        places = (target.partition("#")[0] for target in LINK.findall(page.read_text()))
        ahead += [page.parent / place for place in places if place and not place.startswith(("https://", "/"))]
    assert [name(page) for page in PAGES if page.parts[-2] in {"docs", "adr"} and page not in seen] == []


def test_every_dependency_has_its_reason_and_no_other_has() -> None:
    text = (ROOT / "docs/dependencies.md").read_text()
    sections = dict(zip(*[iter(re.split(r"^## (.+)$", text, flags=re.MULTILINE)[1:])] * 2, strict=True))
    groups, extras = PROJECT["dependency-groups"], PROJECT["project"]["optional-dependencies"]
    expected = {
        "What serves": PROJECT["project"]["dependencies"],
        "What computes on a GPU": extras["cuda"],
        "What sends traces": extras["telemetry"],
        "What tests": [requirement for requirement in groups["test"] if requirement not in extras["telemetry"]],
        "What checks": groups["check"],
        "What builds and locks": groups["build"] + groups["compiler"] + groups["lock"],
    }
    assert set(sections) == set(expected)
    for section, requirements in expected.items():
        rows = re.findall(r"^\| `([\w.-]+)` \| \S.* \| \S.{9,} \|$", sections[section], re.MULTILINE)
        assert sorted(rows) == sorted(Requirement(text).name for text in requirements), section
    assert set(PROJECT["build-system"]["requires"]) <= {Requirement(text).name for text in groups["build"]}
    assert set(extras) == {"cuda", "telemetry"}
    members = {group for group, requirements in groups.items() if all(isinstance(text, str) for text in requirements)}
    assert members == {"test", "check", "build", "compiler", "lock"}, (
        "a group that this test and docs/dependencies.md do not know"
    )


def pins(lock: str) -> dict[str, str]:
    return {
        canonicalize_name(pin["name"]): pin["version"]
        for pin in PIN.finditer((ROOT / "requirements" / lock).read_text())
    }


@pytest.mark.parametrize(
    ("lock", "groups"),
    [
        ("runtime.txt", []),
        ("cuda.txt", ["cuda"]),
        ("dev.txt", ["test", "check", "build"]),
        ("build.txt", ["build", "compiler"]),
        ("lock.txt", ["lock"]),
    ],
)
def test_the_locks_hold_what_the_project_asks_for(lock: str, groups: list[str]) -> None:
    of_project = [] if lock in {"build.txt", "lock.txt"} else PROJECT["project"]["dependencies"]
    named = {**PROJECT["dependency-groups"], **PROJECT["project"]["optional-dependencies"]}
    locked = pins(lock)
    for text in chain(of_project, *(named[group] for group in groups)):
        requirement = Requirement(text)
        assert canonicalize_name(requirement.name) in locked, f"{text}: run ./dev lock"
        assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), f"{text}: run ./dev lock"


@pytest.mark.parametrize("lock", ["cuda.txt", "dev.txt"])
def test_what_is_tested_is_what_is_served(lock: str) -> None:
    assert pins("runtime.txt").items() <= pins(lock).items()


@pytest.mark.parametrize("lock", LOCKS, ids=name)
def test_a_lock_holds_versions_and_hashes_and_no_addresses(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert not re.search(
        r"^\s*-", re.sub(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$", "", text, flags=re.MULTILINE), re.MULTILINE
    )
    packages = re.split(r"^(?=\w)", text, flags=re.MULTILINE)[1:]
    assert packages
    for package in packages:
        assert PIN.match(package), package[:80]
        assert "--hash=sha256:" in package, package[:80]


def test_the_command_says_all_that_it_can() -> None:
    help_text = subprocess.run([ROOT / "dev", "help"], capture_output=True, text=True, check=True).stdout
    script = (ROOT / "dev").read_text()
    commands = re.findall(r"^    ([a-z]+)\) setup", script, re.MULTILINE)
    assert {"demo", "serve", "test", "check", "bench", "lock"} <= set(commands)
    assert [
        command for command in [*commands, "setup"] if not re.search(rf"^  {command} ", help_text, re.MULTILINE)
    ] == []
