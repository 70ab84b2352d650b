"""The guides in Markdown, one for each kind of reader, and the glossary."""

from importlib import resources
from typing import Final

GUIDES: Final = ("integrate", "operate", "verify", "security", "extend", "glossary")


def source(guide: str) -> str:
    """A guide's Markdown."""
    return (resources.files("gateways.http.docs.guides") / f"{guide}.md").read_text(encoding="utf-8")
