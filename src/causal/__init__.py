"""A live transcript of whatever a computer hears."""
