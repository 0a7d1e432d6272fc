"""All HTTP: routes, schemas, problems, pages."""
