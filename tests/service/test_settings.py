"""Every setting is documented, is a flag and is an environment variable."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from service import cli
from service.settings import LIMITS, Settings

PAGE = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", PAGE, re.MULTILINE))
UNITS = {"MiB": 2**20, "GiB": 2**30}


def _said(cell: str) -> str:
    """The default as the page gives it, written as the setting would be."""
    cell = cell.strip("`").replace(",", "").removeprefix("none")
    if found := re.fullmatch(r"(\d+) (MiB|GiB)", cell):
        return str(int(found[1]) * UNITS[found[2]])
    if found := re.fullmatch(r"(\d+) x 10\^(\d+)", cell):
        return str(int(found[1]) * 10 ** int(found[2]))
    return cell


def test_the_page_has_every_setting_and_no_other() -> None:
    assert ROWS.keys() == Settings.model_fields.keys()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_page_tells_the_default(name: str) -> None:
    default = Settings.model_fields[name].default
    shown = (
        str(default).lower()
        if isinstance(default, bool)
        else f"{default:g}"
        if isinstance(default, float)
        else str(default)
    )
    assert _said(ROWS[name]) == shown


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_setting_is_a_flag_with_its_description(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["serve", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert f"--{name.replace('_', '-')}" in text
    assert f"GRADWIRE_{name.upper()}" in text
    assert Settings.model_fields[name].description


def test_the_environment_is_read_and_arguments_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADWIRE_PORT", "81")
    monkeypatch.setenv("GRADWIRE_REQUIRE_IF_MATCH", "true")
    assert (Settings().port, Settings().require_if_match) == (81, True)
    assert Settings(port=82).port == 82


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Settings().port = 1


def test_the_limits_are_settings() -> None:
    assert set(LIMITS) <= Settings.model_fields.keys()
    assert {name for name in Settings.model_fields if name.startswith("max_")} - {"max_live_bytes"} == set(LIMITS)
