"""What every stockpipe service shares; services import this package and never each other."""
