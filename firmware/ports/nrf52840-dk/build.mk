# Read by make and by edgeprune/firmware/build.py: NAME = value, nothing else.
CPU = cortex-m4
ZIG_CPU = cortex_m4
FLOAT = soft
SHARED = cortex_m
FLAGS = -Os
