"""A market as a finite game: payoffs of all profiles of actions, what theory says of them, and repeated play."""
