"""Pages and dashboards that are generated from the code; `make generated` writes them, a test holds them equal."""
