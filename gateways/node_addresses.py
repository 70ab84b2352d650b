"""Where Tron nodes answer, as the settings write it: texts that are checked, and what belongs to each node."""

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit


class NodeAddress(NamedTuple):
    """Where a node answers for its head and its solid blocks, the API key it wants, and where both come by gRPC."""

    url: str
    solidity_url: str
    api_key: str
    grpc_url: str = ""
    grpc_solidity_url: str = ""


def url_text(text: str) -> str:
    if text and not re.fullmatch(r"https?://[^/\s]+(/\S*)?", text):
        raise ValueError("this is no URL: write http:// or https:// and a host")
    return text


def shown(url: str) -> str:
    """A node's address for logs, alarms and tables: providers hide keys of access in paths, logins and queries."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}{'/…' if parts.path.strip('/') or parts.query else ''}"


def names_of(urls: Iterable[str]) -> dict[str, str]:
    """A name that may be shown for each URL, in their order: two keys at one provider are told apart by their number."""
    names: dict[str, str] = {}
    for url in urls:
        name, taken = shown(url), [shown(known) for known in names]
        names[url] = f"{name} ({taken.count(name) + 1})" if name in taken else name
    return names


def node_urls(text: str) -> str:
    """Several, with commas between, or none."""
    urls = [url_text(url.strip()) for url in text.split(",")]
    if len(urls) > 1 and ("" in urls or len({_place(url) for url in urls}) < len(urls)):
        raise ValueError("the addresses between the commas must be given, and differ: two opinions of one node are one")
    return ",".join(urls)


def _place(url: str) -> tuple[str, int, str]:
    """Where it is, however it is spelled: one place over http and https, with and without its port, is one node."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = (parts.hostname or "").rstrip(".")
    return host, 443 if port == 80 else port, parts.path.rstrip("/")


def solidity_urls(text: str) -> str:
    """Several, with commas between; an empty one is the node's own."""
    return ",".join(url_text(url.strip()) for url in text.split(","))


def grpc_urls(text: str) -> str:
    """Several, with commas between; an empty one is a node without."""
    urls = [url.strip() for url in text.split(",")]
    if not all(re.fullmatch(r"(grpcs?://([^/\s:\[\]]+|\[[0-9a-fA-F:]+\]):[1-9][0-9]{0,4})?", url) for url in urls):
        raise ValueError("write it as grpc://host:port, or grpcs://host:port for TLS")
    return ",".join(urls)


def solidity_grpc_url(url: str) -> str:
    """Where a node serves its solid blocks, if nothing else is said: java-tron's second port beside its first."""
    return f"{url[:-5]}50061" if url.endswith(":50051") else url
