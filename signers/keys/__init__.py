"""Keys, where they are kept, and how those of deposit addresses are derived."""
