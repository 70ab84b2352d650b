"""`counterfoil`, also as `python -m gateways`."""

from gateways.cli.app import main

if __name__ == "__main__":
    main()
