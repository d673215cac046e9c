"""``python -m generator``: write the templates."""
from pathlib import Path
from generator.parent import templates
from generator.render import to_yaml
for name, template in templates().items():
    Path("templates", name).write_text(to_yaml(template))
