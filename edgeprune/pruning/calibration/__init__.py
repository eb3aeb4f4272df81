"""What calibration samples tell the criteria."""
