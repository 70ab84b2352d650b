"""What keeps a process to itself: its share of the secrets, work that is done apart, and an OS user of its own."""
