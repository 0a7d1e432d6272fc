"""Pages by who uses them; each handler reads a form, calls one use case, shows what came of it."""
