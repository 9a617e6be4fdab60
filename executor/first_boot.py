"""What a cloud's machine is told before it first boots: who may log in, by which key it is known, and when it ends."""

from __future__ import annotations

import json
from typing import Final

from executor.ssh import HostKey

USER: Final = "skybroker"
"""Who logs in, on whatever image: each image names its own default user differently."""

_ENDS_AT: Final = "/var/lib/skybroker-ends-at"
# The end is fixed at the first boot: neither a reboot nor a stop and a start puts it off. cloud-init runs what is in
# scripts/per-boot late at each boot, when `shutdown` can already be scheduled.
_END_SCRIPT: Final = f"""#!/bin/sh
[ -s {_ENDS_AT} ] || echo $(($(date +%s) + @SECONDS@)) > {_ENDS_AT}
left=$((($(cat {_ENDS_AT}) - $(date +%s)) / 60))
[ "$left" -gt 0 ] || left=0
exec shutdown -P +"$left"
"""


def cloud_config(public_key: str, host_key: HostKey, max_hours: float | None) -> str:
    """User data for cloud-init (its modules users, ssh, write_files and scripts-per-boot); it holds a private key.

    Args:
        public_key: of OpenSSH, one line; who holds its other half may log in as `USER`, and may do everything.
        host_key: the only key that the node's SSH server will have.
        max_hours: the node shuts itself down so long after its first boot; None for never.
    """
    user = {
        "name": USER,
        "shell": "/bin/bash",
        "sudo": "ALL=(ALL) NOPASSWD:ALL",
        "lock_passwd": True,
        "ssh_authorized_keys": [public_key.strip()],
    }
    settings: dict[str, object] = {
        "users": [user],
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": host_key.private, "ed25519_public": host_key.public},
    }
    if max_hours is not None:
        script = _END_SCRIPT.replace("@SECONDS@", str(round(max_hours * 3600)))
        path = "/var/lib/cloud/scripts/per-boot/skybroker-end"
        settings["write_files"] = [{"path": path, "permissions": "0755", "content": script}]
    # JSON is YAML, and quotes whatever a text may hold.
    return f"#cloud-config\n{json.dumps(settings, indent=1)}\n"
