"""One module a kind of figure or table.

Of a figure `data(summary, specification, metrics)` gives a frame, `draw(frame)` a Figure of it and `panels(frame)` the
parts that are also drawn alone; of a table `table(summary, specification)` gives an analysis.tables.Table.
"""
