"""Serial ports of this machine: finding one, and carrying bytes over it; the door to pyserial."""
