"""The pages for the three readers, in Markdown: what a client integrates, an auditor verifies, an engineer extends."""

from functools import cache
from importlib import resources
from typing import Final

from markdown_it import MarkdownIt

GUIDES: Final = ("integrate", "verify", "extend")
_STYLE: Final = """
:root { --ink:#1d2a26; --soft:#5c6b66; --line:#d9e0dd; --paper:#fbfcfb; --accent:#0b6e4f; --code:#f1f5f3; }
@media (prefers-color-scheme: dark) { :root { --ink:#e4ece9; --soft:#9aaaa4; --line:#2c3834; --paper:#111816;
  --accent:#5fd0a5; --code:#1d2723; } }
body { margin: 0 auto; max-width: 50rem; padding: 2rem 1.5rem 6rem; color: var(--ink); background: var(--paper);
  font: 16px/1.6 ui-sans-serif, system-ui, sans-serif; }
code, pre { font: 0.875em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; background: var(--code); }
code { padding: .1em .35em; } pre { padding: .8rem 1rem; overflow-x: auto; } pre code { padding: 0; }
a { color: var(--accent); } nav { color: var(--soft); display: flex; gap: 1rem; }
h1 { letter-spacing: -.02em; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); padding-bottom: .3rem; }
table { border-collapse: collapse; } th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0;
  border-bottom: 1px solid var(--line); }
"""


def source(guide: str) -> str:
    """A page's Markdown."""
    return (resources.files("gateways.http.docs.guides") / f"{guide}.md").read_text(encoding="utf-8")


@cache
def page(guide: str) -> bytes:
    """A page as HTML that loads nothing from elsewhere."""
    body = MarkdownIt("commonmark").enable("table").render(source(guide))
    title = source(guide).partition("\n")[0].lstrip("# ")
    links = "".join(f'<a href="/docs/{name}">{name.capitalize()}</a>' for name in GUIDES)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head>'
        f'<body><nav><a href="/docs">API</a>{links}</nav>{body}</body></html>\n'
    ).encode()
