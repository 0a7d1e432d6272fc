"""`make demo`: the main job, end to end, as its users would do it, over HTTP only."""
