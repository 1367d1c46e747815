"""gate-station doctor: looks at everything the station needs and says what to do for each failure."""
