"""An upstream index, for projects that are not here."""
