"""How several hubs share one audience; today one process."""
