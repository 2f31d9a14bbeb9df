"""Pictures of people in many styles, counted by eye, for a tagger that has seen avatars alone."""
