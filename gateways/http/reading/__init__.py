"""How queries are answered from views: positions, waiting for them, and slow reads."""
