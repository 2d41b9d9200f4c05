"""What was said: stored, shown, changed, missed."""
