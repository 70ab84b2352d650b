"""Events -> chain: the only place where private keys live. Bytes are built here, checked here, and signed here."""
