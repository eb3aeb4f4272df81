"""What transports are made of: pipes to programs here, command lines, ssh, adb."""
