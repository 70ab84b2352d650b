"""Every alarm there is: how bad it is, how it ends, what is seen, what to do, and the command. The list is alarm_list.tsv."""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final, Literal, NamedTuple, cast

Ends = Literal["itself", "quiet", "person"]
"""itself: who raised it says so; quiet: an hour without a repetition; person: `counterfoil alarms ack`."""
Severity = Literal["critical", "warning"]

DEFECT: Final = "defect"
"""Stands for the names that are a defect's class: the process ended by it."""


class Kind(NamedTuple):
    """One name of alarms."""

    name: str
    severity: Severity
    """critical: money may be at stake, or nothing goes on; warning: something is late, or a person should look."""
    ends: Ends
    symptom: str
    remedy: str
    command: str


@cache
def alarm_kinds() -> Mapping[str, Kind]:
    """By name, in the order of the list."""
    text = (resources.files("gateways") / "alarm_list.tsv").read_text(encoding="utf-8")
    kinds = {}
    for line in text.splitlines()[1:]:
        name, severity, ends, symptom, remedy, command = line.split("\t")
        kinds[name] = Kind(name, cast(Severity, severity), cast(Ends, ends), symptom, remedy, command)
    return kinds


def kind_of(name: str) -> Kind:
    """A name that is none of the list is a defect's."""
    kinds = alarm_kinds()
    return kinds.get(name, kinds[DEFECT])
