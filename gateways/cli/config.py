"""`counterfoil config`: every setting, its value, where it comes from, and what it is."""

import os
from collections.abc import Set

from pydantic import SecretStr

from gateways.cli.console import Data, Json, Output, Table, text
from gateways.cli.installation import found_settings
from gateways.processes.running import FILE
from gateways.settings import PREFIX, Settings


def command(*, json: Json = False, data: Data = None) -> None:
    """Every setting, its value (secrets hidden), where it comes from, and what it is.

    A value comes from the command line, the environment, the `counterfoil up` that runs in the same folder, or it is
    the default.
    """
    settings, running = found_settings(data=data)
    given: Set[str] = frozenset() if data is None else frozenset({"data"})
    show_settings(settings, running, given, Output(as_json=json))


def show_settings(settings: Settings, running: Set[str], given: Set[str], out: Output) -> None:
    """A secret shows only whether it is set (I13)."""
    facts = []
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            shown: str | None = "********" if value.get_secret_value() else None
        else:
            shown = str(value) if str(value) not in ("", ".") else None
        variable = PREFIX + name.upper()
        if name in given:
            source = "command line"
        elif variable in os.environ:
            source = "environment"
        else:
            source = FILE if name in running else "default"
        facts.append({"setting": variable, "value": shown, "source": source, "description": field.description or ""})
    rows = [(each["setting"], each["value"] or "(not set)", each["source"], each["description"]) for each in facts]
    out.show({"data": facts}, Table(("setting", "value", "source", text("what it is")), rows))
