# Read by make and by edgeprune/firmware/build.py: NAME = value, nothing else.
CPU = cortex-m55
ZIG_CPU = cortex_m55+mve+mve_fp
FLOAT = hard
SHARED = cortex_m mps
FLAGS = -Os -DEP_TEXT_COMMANDS=1
