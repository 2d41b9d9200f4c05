"""What newage does: each service is one concept, reached through ports."""
