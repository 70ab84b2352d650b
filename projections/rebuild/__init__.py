"""New versions of views beside those that serve: filled, compared, swapped in, rolled back."""
