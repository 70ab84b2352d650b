"""From events to tables: the views, what fills, rebuilds and audits them, and what explains them."""
