"""The sweep's report: every threshold's rates as a table, charts and a page."""
