"""What somebody inside tries with one login, one queue, one node or one key; that it fails, and that it rings."""
