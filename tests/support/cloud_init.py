"""Run with the system's Python: what the real cloud-init makes of user data.

``cloud_init.py DIRECTORY`` reads user data in base64, one a line, and answers each with a line of JSON: ``config`` (all
cloud-config parts merged), ``scripts`` (by file name), ``invalid`` (what its schema finds wrong with the config).
"""

import base64
import json
import os
import sys
from pathlib import Path

from cloudinit import handlers, helpers, user_data, util
from cloudinit.config.schema import SchemaValidationError, get_schema, validate_cloudconfig_schema
from cloudinit.handlers.cloud_config import CloudConfigPartHandler
from cloudinit.handlers.jinja_template import JinjaTemplatePartHandler
from cloudinit.handlers.shell_script import ShellScriptPartHandler
from cloudinit.settings import PER_INSTANCE

INSTANCE = {"v1": {"instance_id": "i-0123456789abcdef0", "region": "eu-west-1"}}


class DataSource:
    """As much of an EC2 data source as the handlers ask for."""

    def get_instance_id(self):
        return INSTANCE["v1"]["instance_id"]


def first_start(directory, data):
    paths = helpers.Paths({"cloud_dir": str(directory / "cloud"), "run_dir": str(directory / "run")}, DataSource())
    for folder in (paths.get_ipath(), paths.get_ipath_cur("scripts"), paths.run_dir):
        Path(folder).mkdir(parents=True, exist_ok=True)
    Path(paths.get_runpath("instance_data_sensitive")).write_text(json.dumps(INSTANCE))
    options = {"paths": paths, "datasource": DataSource()}
    config, scripts = CloudConfigPartHandler(**options), ShellScriptPartHandler(**options)
    all_handlers = [config, scripts, JinjaTemplatePartHandler(**options, sub_handlers=[config, scripts])]
    known = helpers.ContentHandlers()
    for handler in all_handlers:
        known.register(handler)
        handlers.call_begin(handler, {}, PER_INSTANCE)
    message = user_data.UserDataProcessor(paths).process(data)
    handlers.walk(
        message,
        handlers.walker_callback,
        data={"handlers": known, "handlerdir": None, "data": {}, "frequency": PER_INSTANCE, "excluded": []},
    )
    for handler in all_handlers:
        handlers.call_end(handler, {}, PER_INSTANCE)
    merged = util.load_yaml(Path(paths.get_ipath("cloud_config")).read_text(), default={})
    invalid = ""
    try:
        validate_cloudconfig_schema(merged, get_schema(), strict=True)
    except SchemaValidationError as error:
        invalid = str(error)
    written = {
        path.name: path.read_bytes().decode()
        for path in Path(paths.get_ipath_cur("scripts")).rglob("*")
        if path.is_file()
    }
    return {"config": merged, "scripts": written, "invalid": invalid}


def main(directory):
    # What cloud-init prints itself is no answer.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace")
    os.dup2(2, 1)
    for number, line in enumerate(sys.stdin):
        answer = first_start(directory / str(number), base64.b64decode(line))
        # Text that isn't Unicode, such as half a surrogate pair, can't be written to a file: here it becomes "?".
        print(json.dumps(answer, ensure_ascii=False), file=answers, flush=True)


main(Path(sys.argv[1]))
