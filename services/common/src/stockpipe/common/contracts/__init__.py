"""Everything that crosses a stage: messages, manifests and tables, each defined here once."""
