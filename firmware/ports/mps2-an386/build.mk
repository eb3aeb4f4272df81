# Read by make and by edgeprune/firmware/build.py: NAME = value, nothing else.
CPU = cortex-m4
FLOAT = soft
FLAGS = -O3
