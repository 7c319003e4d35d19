"""Issues: from the report to the close."""
