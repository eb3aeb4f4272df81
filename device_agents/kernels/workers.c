#include "workers.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

/* How often a thread looks for the next task before it sleeps. Between two layers of ours there is
 * often one of the runtime's, some 100 us long, and waking a thread takes as long as a small layer. In
 * between it leaves its core to whoever wants it, as the runtime's own threads do then. */
enum { LOOKS = 500 };

struct worker {
    struct workers *all;
    size_t share;
    pthread_t thread;
};

struct workers {
    size_t count;
    void (*task)(void *context, size_t share);
    void *context;
    atomic_uint round;     /* of tasks; the last one ends the threads */
    atomic_size_t at_work; /* threads whose share is not done */
    atomic_bool ends;
    pthread_mutex_t mutex;
    pthread_cond_t next; /* round has changed */
    struct worker workers[];
};

static void await_round(struct workers *all, unsigned last)
{
    for (int i = 0; i < LOOKS; i++) {
        if (atomic_load(&all->round) != last) {
            return;
        }
        sched_yield();
    }
    pthread_mutex_lock(&all->mutex);
    while (atomic_load(&all->round) == last) {
        pthread_cond_wait(&all->next, &all->mutex);
    }
    pthread_mutex_unlock(&all->mutex);
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct workers *all = worker->all;
    for (unsigned round = 0;; round++) {
        await_round(all, round);
        if (atomic_load(&all->ends)) {
            return NULL;
        }
        all->task(all->context, worker->share);
        atomic_fetch_sub(&all->at_work, 1);
    }
}

static void begin_round(struct workers *all)
{
    pthread_mutex_lock(&all->mutex);
    atomic_fetch_add(&all->round, 1);
    pthread_cond_broadcast(&all->next);
    pthread_mutex_unlock(&all->mutex);
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
        *worker = (struct worker){.all = all, .share = all->count};
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

void workers_run(struct workers *workers, void (*task)(void *context, size_t share), void *context)
{
    if (workers_count(workers) > 1) {
        workers->task = task;
        workers->context = context;
        atomic_store(&workers->at_work, workers->count - 1);
        begin_round(workers);
    }
    task(context, 0);
    while (workers_count(workers) > 1 && atomic_load(&workers->at_work) > 0) {
        sched_yield();
    }
}

void workers_end(struct workers *workers)
{
    if (workers == NULL) {
        return;
    }
    atomic_store(&workers->ends, true);
    begin_round(workers);
    for (size_t i = 1; i < workers->count; i++) {
        pthread_join(workers->workers[i].thread, NULL);
    }
    pthread_cond_destroy(&workers->next);
    pthread_mutex_destroy(&workers->mutex);
    free(workers);
}
