"""Commands, and options that several have; `generator/commands.py` is the line that they are on."""
