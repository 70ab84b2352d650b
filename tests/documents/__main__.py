"""`make readme`: writes what programs print into the README and the guides, from runs of those programs.

python -m tests.documents          everything: the demo, calls to AWS, every command of the operator's page; six minutes
python -m tests.documents quick    what takes a moment: help, settings, processes
"""

import sys

from gateways.http.docs.guides import GUIDES as NAMES
from tests.documents.blocks import parts, shown, with_outputs, with_parts
from tests.documents.operating import outputs
from tests.documents.parts import GUIDES, PARTS, QUICK, README, TERRAFORM


def main(words: list[str]) -> None:
    """Write every document anew; what does not change is not touched."""
    quick = "quick" in words
    for path in (README, TERRAFORM, *(GUIDES / f"{name}.md" for name in NAMES)):
        before = text = path.read_text(encoding="utf-8")
        if path.stem == "operate" and not quick:
            text = with_outputs(text, {start: shown(printed) for start, (_, printed) in outputs(text).items()})
        kept = parts(text)
        text = with_parts(text, lambda name, kept=kept: kept[name] if quick and name not in QUICK else PARTS[name]())
        if text != before:
            path.write_text(text, encoding="utf-8")
            print(f"{path.name} is written")


if __name__ == "__main__":
    main(sys.argv[1:])
