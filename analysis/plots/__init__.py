"""One module a kind of figure: `data(summary, specification, metrics)` gives a frame, `draw(frame)` a Figure of it."""
