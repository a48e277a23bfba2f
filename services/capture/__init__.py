"""Opens devices and passes on what they deliver, stamped with its time."""
