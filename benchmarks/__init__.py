"""How long things take, as ratios within one run. Nothing here is shipped, and no test depends on it."""
