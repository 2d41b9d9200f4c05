"""``/v1``: OpenAI's API, as far as chat programs use it."""
