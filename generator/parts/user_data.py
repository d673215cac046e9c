"""What a host does at its first start: join the cluster, then what the operator wants.

A MIME multi-part document for cloud-init. Each part is processed separately: a mistake in the operator's JSON or
shell does not keep a host from joining the cluster.
https://docs.cloud-init.io/en/latest/explanation/format/mime-archive.html
"""

from __future__ import annotations

import json

from troposphere import Base64, Sub

from generator import settings
from generator.language.wiring import Expression, Stack
from generator.settings.values import USER_DATA_BOUNDARY
from generator.sizing import ECS_RESERVED_MEMORY

LOG_AGENT_CONFIG = "/etc/cloudwatch-agent"
HOST_LOGS = {
    "cloud-init": "/var/log/cloud-init-output.log",
    "ecs-agent": "/var/log/ecs/ecs-agent.log",
    "ecs-init": "/var/log/ecs/ecs-init.log",
    "efs-mount": "/var/log/amazon/efs/mount.log",
    "efs-volume": "/var/log/ecs/ecs-volume-plugin.log",
}
"""Log files of a host, by the suffix of their stream's name."""
ECS_CONFIG = {
    "ECS_DISABLE_PRIVILEGED": "true",
    "ECS_ENABLE_SPOT_INSTANCE_DRAINING": "true",
    "ECS_RESERVED_MEMORY": str(ECS_RESERVED_MEMORY),
}
"""https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-agent-config.html"""
_APPEND = "merge_how: list(append)+dict(recurse_list)+str()"


def user_data(stack: Stack, cluster: Expression, host_logs: Expression) -> Base64:
    """User data of a host of ``cluster`` that sends its log files to the log group ``host_logs``."""
    parts = {
        "join-cluster": ("cloud-config", _JOIN_CLUSTER),
        "log-agent": ("jinja2", _log_agent()),
        "users": ("cloud-config", f"#cloud-config\n{_APPEND}\nusers: ${{Users}}"),
        "extra-files": ("cloud-config", f"#cloud-config\n{_APPEND}\nwrite_files: ${{ExtraFiles}}"),
        "extra-commands": ("x-shellscript", "#!/bin/bash\n${ExtraCommands}"),
    }
    text = f'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="{USER_DATA_BOUNDARY}"\n\n'
    for name, (kind, body) in parts.items():
        text += (
            f"--{USER_DATA_BOUNDARY}\n"
            f"Content-Type: text/{kind}; charset=utf-8\n"
            f'Content-Disposition: attachment; filename="{name}"\n\n'
            f"{body}\n"
        )
    return Base64(
        Sub(
            f"{text}--{USER_DATA_BOUNDARY}--\n",
            Cluster=cluster,
            ExtraCommands=stack.take(settings.CLOUDINIT_EXTRA_COMMANDS),
            ExtraFiles=stack.take(settings.EXTRA_FILES),
            HostLogs=host_logs,
            Users=stack.take(settings.USERS),
        )
    )


_JOIN_CLUSTER = (
    "#cloud-config\n"
    "users: [default]\n"
    "write_files:\n"
    "- path: /etc/ecs/ecs.config\n"
    "  append: true\n"
    "  content: |\n"
    "    ECS_CLUSTER=${Cluster}\n"
) + "".join(f"    {key}={value}\n" for key, value in ECS_CONFIG.items())


def _log_agent() -> str:
    """The CloudWatch agent's configuration, with the instance's ID filled in by cloud-init.

    The agent cannot ask for it: the hosts' metadata service does not answer containers. The log group's name, up to
    512 characters, appears here once: EC2 allows 16 KiB of user data.
    """
    collect = [
        {
            "file_path": f"/host{path}",
            "log_group_name": "{{ log_group }}",
            "log_stream_name": f"{{{{ v1.instance_id }}}}/{name}",
        }
        for name, path in HOST_LOGS.items()
    ]
    config = {
        "agent": {"region": "{{ v1.region }}"},
        "logs": {"logs_collected": {"files": {"collect_list": collect}}},
    }
    content = json.dumps(config, indent=1).replace("\n", "\n    ")
    return (
        "## template: jinja\n"
        '{%- set log_group = "${HostLogs}" -%}\n'
        "#cloud-config\n"
        f"{_APPEND}\n"
        "write_files:\n"
        f"- path: {LOG_AGENT_CONFIG}/config.json\n"
        "  content: |\n"
        f"    {content}"
    )
