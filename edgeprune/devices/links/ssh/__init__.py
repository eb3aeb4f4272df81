"""What the SSH transport is made of: OpenSSH's configuration, host keys, login, link, programs."""
