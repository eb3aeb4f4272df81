#include "workers.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* How often a thread looks for the next task before it sleeps. Between two layers of ours there is
 * often one of the runtime's, some 100 us long, and waking a thread takes as long as a small layer. In
 * between it leaves its core to whoever wants it, as the runtime's own threads do then. */
enum { LOOKS = 500 };

struct worker {
    struct workers *all;
    size_t number;
    pthread_t thread;
};

struct workers {
    size_t count;
    void (*task)(void *context, size_t thread, size_t share);
    void *context;
    _Atomic uint64_t state;  /* tasks begun << 32 | shares of the last one that nobody has begun */
    atomic_size_t undone;    /* its shares that are not done */
    atomic_bool ends;
    pthread_mutex_t mutex;
    pthread_cond_t next; /* there are shares, or the end */
    struct worker workers[];
};

static bool has_share(uint64_t state)
{
    return (uint32_t)state > 0;
}

/* Does a share that nobody has begun. Task and context stay as they are until it is done. */
static bool do_share(struct workers *all, size_t thread)
{
    uint64_t state = atomic_load(&all->state);
    while (has_share(state)) {
        if (atomic_compare_exchange_weak(&all->state, &state, state - 1)) {
            all->task(all->context, thread, (size_t)(uint32_t)state - 1);
            atomic_fetch_sub(&all->undone, 1);
            return true;
        }
    }
    return false;
}

static bool is_awaited(struct workers *all)
{
    return has_share(atomic_load(&all->state)) || atomic_load(&all->ends);
}

static void await_share(struct workers *all)
{
    for (int i = 0; i < LOOKS; i++) {
        if (is_awaited(all)) {
            return;
        }
        sched_yield();
    }
    pthread_mutex_lock(&all->mutex);
    while (!is_awaited(all)) {
        pthread_cond_wait(&all->next, &all->mutex);
    }
    pthread_mutex_unlock(&all->mutex);
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    while (!atomic_load(&worker->all->ends)) {
        if (!do_share(worker->all, worker->number)) {
            await_share(worker->all);
        }
    }
    return NULL;
}

struct workers *workers_start(size_t threads)
{
    struct workers *all = calloc(1, sizeof *all + threads * sizeof all->workers[0]);
    if (all == NULL) {
        return NULL;
    }
    pthread_mutex_init(&all->mutex, NULL);
    pthread_cond_init(&all->next, NULL);
    for (all->count = 1; all->count < threads; all->count++) {
        struct worker *worker = &all->workers[all->count];
        *worker = (struct worker){.all = all, .number = all->count};
        if (pthread_create(&worker->thread, NULL, work, worker) != 0) {
            break;
        }
    }
    return all;
}

size_t workers_count(const struct workers *workers)
{
    return workers == NULL ? 1 : workers->count;
}

/* Under the mutex, so that no thread misses it on its way to sleep. */
static void tell(struct workers *all, uint64_t state, bool ends)
{
    pthread_mutex_lock(&all->mutex);
    atomic_store(&all->state, state);
    atomic_store(&all->ends, ends);
    pthread_cond_broadcast(&all->next);
    pthread_mutex_unlock(&all->mutex);
}

void workers_run(struct workers *workers, size_t shares,
                 void (*task)(void *context, size_t thread, size_t share), void *context)
{
    if (workers_count(workers) == 1) {
        for (size_t share = 0; share < shares; share++) {
            task(context, 0, share);
        }
        return;
    }
    const uint64_t begun = (atomic_load(&workers->state) >> 32) + 1;
    workers->task = task;
    workers->context = context;
    atomic_store(&workers->undone, shares);
    tell(workers, begun << 32 | (uint32_t)shares, false);
    while (do_share(workers, 0)) {
    }
    while (atomic_load(&workers->undone) > 0) {
        sched_yield();
    }
}

void workers_end(struct workers *workers)
{
    if (workers == NULL) {
        return;
    }
    tell(workers, 0, true);
    for (size_t i = 1; i < workers->count; i++) {
        pthread_join(workers->workers[i].thread, NULL);
    }
    pthread_cond_destroy(&workers->next);
    pthread_mutex_destroy(&workers->mutex);
    free(workers);
}
