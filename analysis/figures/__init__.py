"""One module for each kind of figure, and what several kinds share.

`data(summary, specification, metrics)` returns a frame, `draw(frame)` a Figure of it, and `panels(frame)` the parts
that are also drawn alone.
"""
