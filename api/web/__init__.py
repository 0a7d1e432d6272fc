"""Pages: templates, texts, sessions and forms."""
