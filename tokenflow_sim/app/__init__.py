"""The interactive page: run a market in the browser, change it, look at it."""
