"""One line of the report."""

import dataclasses
import enum


class Verdict(enum.Enum):
    """What is to be said of a figure."""

    NONE = ""
    MET = "met"
    MISSED = "NOT MET"
    # A promise, and no goal: the run fails.
    BROKEN = "BROKEN"


@dataclasses.dataclass(frozen=True)
class Figure:
    """What was measured, and what was wanted."""

    what: str
    measured: str
    goal: str = ""
    verdict: Verdict = Verdict.NONE

    @classmethod
    def judged(cls, what, measured, goal, is_met):
        return cls(what, measured, goal, Verdict.MET if is_met else Verdict.MISSED)

    @classmethod
    def of_memory(cls, what, measured, goal, value, most):
        """Memory does not depend on how busy a machine is: twice as much as there should be is no miss."""
        verdict = Verdict.MET if value <= most else Verdict.MISSED if value <= 2 * most else Verdict.BROKEN
        return cls(what, measured, goal, verdict)
