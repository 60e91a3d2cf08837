"""One module a family of figures; `registry` finds them here by itself."""
