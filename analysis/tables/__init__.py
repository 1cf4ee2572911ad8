"""Kinds of tables, one module each: `table(summary, specification)` returns an analysis.table.Table."""
