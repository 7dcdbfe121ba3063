"""Pure functions DataFrame to DataFrame: no session, no input or output, no clock."""
