"""What the tasks run on."""

from __future__ import annotations

from generator.language.wiring import Group, Setting

CAPACITY = Setting(
    name="Capacity",
    label="Capacity",
    description="ec2: EC2 hosts in your account. fargate: no hosts; group Hosts has no effect. fargate-spot: one task on fargate, the others for less, stopped at two minutes' notice. To change between ec2 and fargate, create a second stack on the same file system (docs/runbooks/another-capacity.md): in a running stack it causes downtime, so deploy and the stack policy refuse it.",
    default="ec2",
    values=("ec2", "fargate", "fargate-spot"),
)
CPU_ARCHITECTURE = Setting(
    name="CpuArchitecture",
    label="CPU architecture on Fargate",
    description="No effect on ec2, where AsgInstanceType decides.",
    default="X86_64",
    values=("X86_64", "ARM64"),
)
ASSIGN_PUBLIC_IP = Setting(
    name="AssignPublicIp",
    label="Public addresses of tasks on Fargate",
    description="ENABLED where AsgSubnets are public: tasks then pull images without NAT, and only the load balancer can connect to them.",
    default="DISABLED",
    values=("DISABLED", "ENABLED"),
)

CAPACITIES = Group("Capacity", (CAPACITY, CPU_ARCHITECTURE, ASSIGN_PUBLIC_IP))
