"""What programs for a device are made with: a C compiler, its C library, wheels."""
