"""Commands that show and change what the operator's endpoints do, by the same functions."""
