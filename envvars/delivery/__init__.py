"""Hand resolved values over: written in a format (`formats`), or as a command's environment (`process`, `watch`)."""
