"""The signer's own leash (I17): what it pays, by its own reading of the history, within limits that it holds itself."""
