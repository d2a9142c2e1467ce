"""The rules were committed before the runs that they judge, or the report says which were not."""

import subprocess
from types import SimpleNamespace

import pytest

from helpers.config import TrainingConfig
from helpers.evidence.order import RULES, order
from helpers.evidence.statistics import RECIPES
from helpers.evidence.tables import PROVENANCE, merge


@pytest.fixture
def project(tmp_path):
    """A repository with rules, and functions that commit to it and store a run."""

    def git(*command):
        user = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        done = subprocess.run(
            ["git", *user, *command], cwd=tmp_path, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(file, content, subject):
        target = tmp_path / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
        git("add", "-A")
        git("commit", "-q", "-m", subject)
        return git("rev-parse", "--short=10", "HEAD")

    def row(of, seed):
        fields = TrainingConfig(batch_size=128, seed=seed, **RECIPES["plain"]).as_dict()
        about = dict.fromkeys(PROVENANCE, "1") | {"commit": of, "model": "baseline"}
        merge(tmp_path / "tables" / "plain.csv", [fields | about | {"training_loss": 150.0}])

    def found():
        return order(tmp_path / "tables", tmp_path)

    git("init", "-q")
    return SimpleNamespace(commit=commit, row=row, order=found)


def test_rules_come_first(project):
    rules = project.commit(RULES[0], "1", "claims: first rules")
    assert "No runs have been made since" in project.order().text
    runs = project.commit("other.py", "1", "training: something")
    project.row(runs, 0)
    project.row(runs, 1)
    found = project.order()
    assert found.after == {runs: 2} and not found.before and not found.changes
    assert rules.startswith(found.rules.split()[0])
    assert "2 rows come from later commits" in found.text
    assert "have not been changed after" in found.text


def test_rows_from_before_and_later_changes_of_the_rules_are_named(project):
    early = project.commit("other.py", "1", "training: something")
    project.row(early, 0)
    project.row("0123456789", 1)  # a commit that this repository does not know
    project.commit(RULES[1], "1", "claims: rules after the first run")
    found = project.order()
    assert found.before == {early: 1, "0123456789": 1} and not found.after
    assert "exploratory" in found.text and "claims: rules after the first run" in found.text
    assert "every verdict is exploratory" in found.text


def test_rules_that_differ_from_their_commit_are_named(project, tmp_path):
    project.commit(RULES[0], "1", "claims: first rules")
    (tmp_path / RULES[0]).write_text("2")
    assert "not committed" in project.order().text


def test_without_a_history_nothing_is_shown(tmp_path):
    assert "cannot show which came first" in order(tmp_path, tmp_path).text


def test_the_rules_of_this_report_are_older_than_its_confirmatory_runs():
    """Rows outside of `exploratory` that other rules were made for have to go there."""
    found = order()
    if not found.rules:
        pytest.skip("the git history is not here")
    assert not found.before, found.text
    assert found.after or "No runs have been made since" in found.text
