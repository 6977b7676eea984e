"""What `tools.coverage` checks of one model, and the page that it writes."""
