"""The documentation's pages as HTML: the bar that all of them have, a guide with its contents, the page of the API.

A page loads nothing from elsewhere: its styles and its few lines of script stand in it.
"""

import re
from collections.abc import Sequence
from functools import cache
from html import escape
from importlib import resources
from itertools import pairwise
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from gateways.http.docs.guides import GUIDES, source
from gateways.http.docs.standards import counted, tables

_STANDARD: Final = re.compile(r"<!-- standard: (\w+) -->\n")
_COMMENT: Final = re.compile(r"<!--.*?-->\n?", re.DOTALL)
_NOTE: Final = re.compile(r"((?:^|(?<=  ))#.*)$", re.MULTILINE)
_KINDS: Final = {
    "word": "words",
    "number": "labelled numbered",
    "of": "labelled counted",
    "asset": "labelled assets",
}
"""The looks of a table of more than two columns, or of words, by the name of its first column."""
_PAGES: Final = {"api": "/docs", **{guide: f"/docs/{guide}" for guide in GUIDES}}


@cache
def guide_page(guide: str) -> bytes:
    """A guide, with its contents beside it."""
    text = _STANDARD.sub(lambda found: f"{counted(found[1])}\n{tables(found[1])}", source(guide))
    text = _COMMENT.sub("", text)
    markdown = MarkdownIt("commonmark").enable("table")
    markdown.add_render_rule("fence", _fence)
    markdown.add_render_rule("code_inline", _name)
    tokens = markdown.parse(text)
    contents = _headings(tokens)
    _tables(tokens)
    body = markdown.renderer.render(tokens, markdown.options, {})
    links = "".join(
        f'<a href="#{place}"{" class=inner" if level == "h3" else ""}>{escape(name)}</a>'
        for level, place, name in contents
    )
    title = text.partition("\n")[0].lstrip("# ")
    style, script = _file("common.css") + _file("guide.css"), _file("guide.js")
    return (
        f"{_head(title, style)}<body>{_bar(guide)}"
        f'<div class="frame"><main><details class="jump"><summary>On this page</summary>{links}</details>'
        f'{body}{_next(guide)}</main><nav class="contents" aria-label="On this page">{links}</nav></div>'
        f"<script>{script}</script></body></html>\n"
    ).encode()


@cache
def api_page() -> bytes:
    """The page that shows the OpenAPI document."""
    page = _file("docs.html").replace("/* common.css */", _file("common.css"))
    return page.replace("<!-- bar -->", _bar("api")).encode()


def _head(title: str, style: str) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head>"
    )


def _bar(current: str) -> str:
    """The bar at the top, which shows on which page the reader is."""
    links = "".join(
        f'<a href="{path}"{" aria-current=page" if name == current else ""}>{_title(name)}</a>'
        for name, path in _PAGES.items()
    )
    return f'<header class="top"><a class="brand" href="/docs">Counterfoil</a><nav aria-label="Pages">{links}</nav></header>'


def _next(guide: str) -> str:
    """Links to the guide before and the guide behind."""
    names = list(_PAGES)
    at = names.index(guide)
    after = names[at + 1] if at + 1 < len(names) else ""
    back = f'<a href="{_PAGES[names[at - 1]]}">← {_title(names[at - 1])}</a>'
    return f'<nav class="next" aria-label="Other pages">{back}' + (
        f'<a href="{_PAGES[after]}">{_title(after)} →</a></nav>' if after else "</nav>"
    )


def _title(name: str) -> str:
    return "API" if name == "api" else name.capitalize()


def _headings(tokens: Sequence[Token]) -> list[tuple[str, str, str]]:
    """Give every section a place to link to -> (level, place, name) of each."""
    found: list[tuple[str, str, str]] = []
    for token, text in pairwise(tokens):
        if token.type == "heading_open" and token.tag in ("h2", "h3"):
            name = "".join(part.content for part in text.children or ())
            place = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
            token.attrSet("id", place)
            link = Token(
                "html_inline", "", 0, content=f'<a class="here" href="#{place}" aria-label="Link to this">#</a>'
            )
            text.children = [*(text.children or ()), link]
            found.append((token.tag, place, name))
    return found


def _tables(tokens: Sequence[Token]) -> None:
    """Let every cell know its column's name, for narrow screens on which a row is a small list."""
    names: list[str] = []
    for number, token in enumerate(tokens):
        if token.type == "table_open":
            names = []
            table = token
        elif token.type == "th_open":
            names.append(tokens[number + 1].content)
        elif token.type == "thead_close":
            table.attrSet("class", _kind(names))
            column = 0
        elif token.type == "tr_open":
            column = 0
        elif token.type == "td_open":
            token.attrSet("data-label", names[column])
            column += 1


def _kind(names: Sequence[str]) -> str:
    if len(names) > 2 or names[0] == "word":
        return _KINDS.get(names[0], "labelled")
    return "plain"


def _fence(_renderer: object, tokens: Sequence[Token], index: int, *_: Any) -> str:
    """A block of code, its comments dimmed; its language is its class."""
    language = tokens[index].info.strip() or "text"
    code = escape(tokens[index].content, quote=False)
    if language in ("sh", "python"):
        code = _NOTE.sub(r'<span class="note">\1</span>', code)
    return f'<pre class="{escape(language)}" tabindex="0"><code>{code}</code></pre>\n'


def _name(_renderer: object, tokens: Sequence[Token], index: int, *_: Any) -> str:
    """A name in a sentence or a table: a long one may break behind its underscores; a test's has a line of its own."""
    name = tokens[index].content
    kind = " class=test" if name.startswith("test_") else ""
    return f"<code{kind}>{escape(name, quote=False).replace('_', '_<wbr>')}</code>"


def _file(name: str) -> str:
    return (resources.files("gateways.http.docs") / name).read_text(encoding="utf-8")
