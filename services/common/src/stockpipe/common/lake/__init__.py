"""The data lake: object stores behind one interface, the layout of keys, manifests as commit records."""
