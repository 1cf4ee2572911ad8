"""One module for each kind of table: `table(summary, specification)` returns an analysis.table.Table."""
