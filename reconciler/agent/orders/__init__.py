"""What Git says for this device: fetched, judged, rendered."""
