"""What extensions answer: outputs as they grow, and their readers."""
