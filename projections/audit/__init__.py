"""What proves, compares and prints the history and the books: for auditors."""
