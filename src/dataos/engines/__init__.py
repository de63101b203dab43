"""Floor 6: run secured SQL and stream Arrow. Engines know no policy; nothing but the gateway calls them."""
