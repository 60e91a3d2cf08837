"""Learners of a repeated game, each for one player in all sessions at once."""
