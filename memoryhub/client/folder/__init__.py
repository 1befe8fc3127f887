"""Two-way sync of a folder with a workspace. `Folder` is the way in."""
