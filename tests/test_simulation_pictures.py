"""Pictures of simulated fleets: really PNG, the same bytes each time, whatever stands in their words."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import attrs
import pytest
from matplotlib.image import imread

from remediate import Engine
from remediate.simulation.comparing import Comparison, Contestant, compare
from remediate.simulation.pictures import DPI, WIDTH_IN, picture
from remediate.simulation.scenario import Fault, Scenario, Wrong
from tests.commands import run

FAULT = Fault(wrong=Wrong.FAILURE, begins_s=600.0, lasts_s=300.0, jitter_s=0.0)
OUTAGE = Scenario(name="$x_$", lasts_s=2400.0, connections=60, every_s=600.0, faults=(FAULT,))
QUICK = 'name = "quick"\nlasts_s = 1200\nconnections = 20\nevery_s = 300\n'


@pytest.fixture(scope="module")
def comparison(engine: Engine) -> Comparison:
    everyone = [
        Contestant(label="mine", policy=engine.policy),
        Contestant(label="$\\frac no \x1b[31m governor$", policy=engine.policy, is_governed=False),
    ]
    (found,) = compare([OUTAGE], everyone, [4, 5], by_minute=True)
    return found


def test_a_picture_is_a_png_with_a_panel_a_policy(comparison: Comparison) -> None:
    drawn = picture(comparison)
    assert drawn == picture(comparison)
    pixels = imread(BytesIO(drawn), format="png")
    assert pixels.shape[1] == WIDTH_IN * DPI
    narrower = attrs.evolve(comparison, rows=comparison.rows[:1])
    assert imread(BytesIO(picture(narrower)), format="png").shape[0] < pixels.shape[0]
    dark = (pixels[:, :, :3].min(axis=2) < 0.5).mean()
    assert 0.001 < dark < 0.5


def test_only_the_first_seed_is_drawn_and_not_without_its_minutes(comparison: Comparison) -> None:
    assert all(row.series is not None and len(row.series.load) == 40 for row in comparison.rows)
    assert comparison.oracle is not None
    unseen = tuple(attrs.evolve(row, series=None) for row in comparison.rows)
    with pytest.raises(ValueError, match="minute by minute"):
        picture(attrs.evolve(comparison, rows=unseen))


def test_the_command_writes_one_a_scenario(tmp_path: Path) -> None:
    for name in ("quick", "slow"):
        (tmp_path / f"{name}.toml").write_text(QUICK.replace("quick", name))
    ran = run("simulate", "quick.toml", "slow.toml", "--seed", "1", "--pictures", "a/b", "--json", folder=tmp_path)
    assert ran.returncode == 0
    assert ran.stderr.splitlines() == ["a/b/quick.png: written", "a/b/slow.png: written"]
    assert len(ran.stdout.splitlines()) == 2
    assert imread(tmp_path / "a" / "b" / "slow.png").shape[1] == WIDTH_IN * DPI


def test_a_folder_that_can_not_be_written_is_told_before_anything_is_simulated(tmp_path: Path) -> None:
    (tmp_path / "quick.toml").write_text(QUICK)
    (tmp_path / "taken").write_text("")
    ran = run("simulate", "quick.toml", "--pictures", "taken", folder=tmp_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (2, "", "taken: can't be written: File exists\n")
    (tmp_path / "pictures" / "quick.png").mkdir(parents=True)
    ran = run("simulate", "quick.toml", "--seed", "1", "--pictures", "pictures", folder=tmp_path)
    assert (ran.returncode, ran.stderr) == (2, "pictures/quick.png: can't be written: Is a directory\n")
