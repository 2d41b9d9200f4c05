"""Who may come in: keys, trust, passwords, and what is tried too often."""
