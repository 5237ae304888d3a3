"""Find the faces in a photo, choose those that count, and cut them out."""
