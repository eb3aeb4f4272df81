# Read by make and by edgeprune/firmware/build.py: NAME = value, nothing else.
CPU = cortex-m33
ZIG_CPU = cortex_m33
FLOAT = soft
SHARED = cortex_m stm32
FLAGS = -Os -DEP_TEXT_COMMANDS=1
