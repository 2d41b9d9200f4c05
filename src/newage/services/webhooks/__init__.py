"""What is told to receivers outside, by HTTP (docs/webhooks.md)."""
