"""Whether the rules were there before the runs that they judge: the order of commits, from git."""

from pathlib import Path
from typing import NamedTuple

from helpers import paths
from helpers.evidence.statistics import COURSES, MEASURED, STEPS, WHOLE
from helpers.evidence.tables import EXPLORATORY, find, read
from helpers.provenance import git

RULES = tuple(
    f"helpers/evidence/{name}"
    for name in ("claims.py", "claims.json", "findings.py", "statistics.py")
)
JUDGED = (*MEASURED, *WHOLE, COURSES, STEPS)  # tables that the rules read


class Order(NamedTuple):
    """The last commit of the rules, and those of the rows of tables that are not exploratory."""

    rules: str  # with its date; "" where git does not tell
    after: dict[str, int]  # confirmatory: rows by commit that holds the rules as they are
    before: dict[str, int]  # exploratory: rows by commit that does not, or is not known
    changes: list[str]  # of the rules since these earlier commits

    @property
    def text(self) -> str:
        """The order in sentences."""
        if not self.rules:
            return "Without the whole git history this report cannot show which came first."
        said = [f"The rules for the verdicts were last changed by commit {self.rules}."]
        later, earlier = "later commits and can confirm", "other commits and are exploratory"
        for rows, which in ((self.after, later), (self.before, earlier)):
            listed = ", ".join(f"{commit} ({n} rows)" for commit, n in rows.items())
            said += [f"{sum(rows.values())} rows come from {which}: {listed}."] * bool(rows)
        if not self.after:
            said.append("No runs have been made since: every verdict is exploratory so far.")
        if self.changes:
            said.append(f"The rules changed after these: {'; '.join(self.changes)}.")
        elif self.after:
            said.append("They have not been changed after any of these rows.")
        return " ".join(said)


def order(folder: Path | None = None, root: Path = paths.ROOT) -> Order:
    """The order of the rules and the rows of the tables that they judge.

    folder: of the tables, in place of the committed ones; root: of the checkout.
    """
    log = "log", "--format=%h of %cs: %s"
    whole = git(root, "rev-parse", "--is-shallow-repository") == "false"
    last = git(root, *log, "-1", "--", *RULES) if whole else None
    rules, _, _ = (last or "").partition(":")
    after: dict[str, int] = {}
    before: dict[str, int] = {}
    for file in (find(name, folder) for name in JUDGED):
        if file.parent.name != EXPLORATORY:
            for commit, n in read(file)["commit"].fillna("unknown").value_counts().items():
                ancestor = "merge-base", "--is-ancestor", rules.split(" ")[0], str(commit)
                kind = before if git(root, *ancestor) is None else after
                kind[str(commit)] = kind.get(str(commit), 0) + int(n)
    known = [commit for commit in before if git(root, "cat-file", "-e", commit) is not None]
    changes = git(root, *log, "HEAD", "--not", *known, "--", *RULES) if known else ""
    loose = git(root, "status", "--porcelain", "--", *RULES) if rules else ""
    listed = (changes or "").splitlines() + ["changes that are not committed"] * bool(loose)
    return Order(rules, after, before, listed)
