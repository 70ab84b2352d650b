"""The README and the guides as data: their blocks of code, what programs print into them, and a shell that runs them.

`make readme` writes the output (`tests/documents/__main__.py`); tests/journeys/test_readme.py and test_guides.py hold it.
"""
