"""What clients ask: from arrival to the last answer."""
