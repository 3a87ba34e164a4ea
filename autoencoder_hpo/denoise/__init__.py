"""Image files in, restored image files out: any size, depth and colour that is given."""
