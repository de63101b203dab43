"""What is known of data: datasets with their columns and tags, where they come from, profiles, quality results."""
