"""The calls of java-tron's HTTP API, by what they are about: an Ask in, java-tron's answer out.

"Not found" is {} or [], never an error, and so is a block above what may be seen.
"""
