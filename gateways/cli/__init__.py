"""The command line: `counterfoil NOUN VERB` is NOUN.py, loaded when it is called."""
