"""One module per version; sync/central/schema.py lists them."""
