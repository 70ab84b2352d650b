"""Another key for the hot or the gas wallet: it is made and proven, and the wallet before is emptied into the new one."""
