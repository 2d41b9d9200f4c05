"""Everything put together, once."""
