"""Secrets that `counterfoil up` is given by its environment: put behind a descriptor before anything else is done.

The program then starts itself again without them, so that neither its memory nor its environment, nor those of the processes
that it forks, ever held them. Whoever needs one reads it from the descriptor.
"""

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

from pydantic import SecretStr

from gateways.settings import PREFIX, Settings, load

_HANDED: Final = "GIVEN_TO_COUNTERFOIL"
SECRET_SETTINGS: Final = frozenset(
    name for name, field in Settings.model_fields.items() if field.annotation is SecretStr
)


class Given(NamedTuple):
    """Which secret settings were given, and the descriptor that they are read from."""

    names: frozenset[str] = frozenset()
    descriptor: int = -1

    def read(self) -> dict[str, str]:
        """The settings by name. Only for a process that ends at once, or needs all of them."""
        if self.descriptor < 0:
            return {}
        size = os.fstat(self.descriptor).st_size
        return dict(json.loads(os.pread(self.descriptor, size, 0)))

    def has(self, name: str, settings: Settings) -> bool:
        """Whether a secret setting has a value, here or, where nothing was taken out of them, among the settings."""
        return name in self.names or bool(getattr(settings, name).get_secret_value())

    def close(self) -> None:
        """For a process that has no more need of it."""
        if self.descriptor >= 0:
            os.close(self.descriptor)

    def settings(self, settings: Settings, names: frozenset[str] = SECRET_SETTINGS) -> Settings:
        """With those secrets of `names` that were given."""
        known = {name: SecretStr(value) for name, value in self.read().items() if name in names}
        return settings.model_copy(update=known)


NOTHING: Final = Given()


def take() -> Given:
    """What was given, out of the environment. Where that has secrets, the program begins again, and this does not return.

    Called when the settings are known to be sound.
    """
    handed = os.environ.pop(_HANDED, "")
    if handed:
        descriptor, _, names = handed.partition(":")
        os.set_inheritable(int(descriptor), False)
        return Given(frozenset(names.split(",")), int(descriptor))
    found = secrets_in(os.environ)
    if found:
        _begin_anew(found)
    return NOTHING


def _begin_anew(found: Mapping[str, str]) -> NoReturn:
    descriptor = _anonymous_file(json.dumps(found).encode())
    gone = {PREFIX + name.upper() for name in (*SECRET_SETTINGS, "keystore_passphrase_file")}
    kept = {name: value for name, value in os.environ.items() if name not in gone}
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, sys.orig_argv, kept | {_HANDED: f"{descriptor}:{','.join(sorted(found))}"})  # noqa: S606  this very program


def secrets_in(environ: Mapping[str, str]) -> dict[str, str]:
    """Secret settings by name; the passphrase from its file, which may be readable once only. Raises InvalidSettings."""
    given = {key.removeprefix(PREFIX).lower(): value for key, value in environ.items() if key.startswith(PREFIX)}
    found = {name: value for name, value in given.items() if name in SECRET_SETTINGS and value}
    if file := given.get("keystore_passphrase_file"):
        found["keystore_passphrase"] = load({}, keystore_passphrase_file=Path(file)).passphrase()
    return found


def _anonymous_file(content: bytes) -> int:
    """A descriptor that the next program inherits; the file has no name."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("given", 0)
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.write(descriptor, content)
    os.set_inheritable(descriptor, True)
    return descriptor
