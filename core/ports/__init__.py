"""What the inside asks of the outside: bare nouns, never who answers. Adapters stand in gateways."""
