"""Kinds of figures, one module each, and the code that several kinds share.

`data(summary, specification, metrics)` returns a frame with everything that is drawn, `draw(frame)` returns its Figure,
and `panels(frame)` returns the parts that are also drawn as single files.
"""
