/* Stands for one of Android's own libraries while libedgeprune_kernels.so is linked: its name and the
 * names of its functions count, and on a phone the library itself is there. All of them are in every
 * release since Android 6. Source: AOSP, bionic/libc/libc.map.txt, bionic/libdl/libdl.map.txt. */
#define FUNCTION(name) __asm__(".globl " #name "\n.type " #name ", %function\n" #name ":\n");

#ifdef STUB_C
FUNCTION(calloc)
FUNCTION(free)
FUNCTION(getauxval)
FUNCTION(malloc)
FUNCTION(memchr)
FUNCTION(memcmp)
FUNCTION(memcpy)
FUNCTION(memmove)
FUNCTION(memset)
FUNCTION(pthread_cond_broadcast)
FUNCTION(pthread_cond_destroy)
FUNCTION(pthread_cond_init)
FUNCTION(pthread_cond_wait)
FUNCTION(pthread_create)
FUNCTION(pthread_join)
FUNCTION(pthread_mutex_destroy)
FUNCTION(pthread_mutex_init)
FUNCTION(pthread_mutex_lock)
FUNCTION(pthread_mutex_unlock)
FUNCTION(sched_yield)
FUNCTION(strcmp)
FUNCTION(strlen)
FUNCTION(strncmp)
FUNCTION(vsnprintf)
#endif

#ifdef STUB_DL
FUNCTION(dlclose)
FUNCTION(dlopen)
FUNCTION(dlsym)
#endif

typedef int nothing; /* ISO C wants something in a file */
