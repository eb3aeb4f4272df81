"""Trusted host keys, which several commands may change at once."""

import json
import os
import subprocess
import sys

from edgeprune.devices.links.ssh.host_keys import known_keys_file

TRUST = (
    "import sys; from edgeprune.devices.links.ssh.host_keys import HostKey, trust_host_key\n"
    "sys.stdin.readline()\n"
    "for k in range(10): trust_host_key(f'{sys.argv[1]}-{k}', HostKey('ssh-ed25519', b'x'))\n"
)


def test_keys_that_are_trusted_at_once_are_all_kept(home):
    trusting = [
        subprocess.Popen([sys.executable, "-c", TRUST, str(number)], stdin=subprocess.PIPE)
        for number in range(3)
    ]
    for process in trusting:
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for process in trusting:
        process.communicate(timeout=120)
        assert process.returncode == 0
    assert len(json.loads(known_keys_file().read_text())) == 30
    assert os.listdir(known_keys_file().parent) == ["known_hosts.json"]
