"""Views: each result as lines for a reader and as JSON for a program. A view only shows; it decides nothing."""
