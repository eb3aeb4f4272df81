/* One model inside LiteRT's runtime library: loading, tensors, running, profiling. */
#ifndef EDGEPRUNE_RUNTIME_H
#define EDGEPRUNE_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failure.h"
#include "litert_api.h"

struct own_kernels;

struct tensor {
    const char *name; /* owned by the runtime */
    const char *type; /* as numpy spells it */
    struct litert_tensor_type shape;
    size_t bytes;
};

/* In the order of the model's graph, which is also the order in which a run takes its buffers. */
struct tensor_list {
    struct tensor *tensors;
    litert_buffer *buffers;
    size_t count;
    size_t bytes; /* of all tensors together */
};

/* All zero before the first load. */
struct model {
    char *runtime; /* path of the library that is open, NULL before there is one */
    struct litert_api api;
    litert_environment environment; /* stays when another model is loaded */
    litert_model file;
    litert_options options;
    litert_compiled_model compiled;
    struct own_kernels *own;  /* NULL unless the model has operators of ours */
    litert_profiler profiler; /* NULL unless loaded to be profiled */
    struct tensor_list inputs;
    struct tensor_list outputs;
    int64_t first_ns; /* duration of the model's first inference, 0 before it */
    bool inputs_set;
};

struct load_options {
    const char *runtime;
    const char *path;
    int threads;
    bool profile;
};

/* Opens the library and makes an environment, once in the life of the process: two libraries would
 * share global state. Another path is refused. */
bool runtime_open(struct model *model, const char *path, struct failure *failure);

/* Frees the former model, if any, and loads another one with the same runtime library. */
bool model_load(struct model *model, const struct load_options *options, struct failure *failure);

/* Copies inputs->bytes bytes in, or outputs->bytes bytes out, tensor after tensor. */
bool model_set_inputs(struct model *model, const unsigned char *blob, struct failure *failure);
bool model_get_outputs(struct model *model, unsigned char *blob, struct failure *failure);

/* Fills the inputs with the fixed pattern of PROTOCOL.md if nothing was set before. */
bool model_default_inputs(struct model *model, struct failure *failure);

/* One inference; remembers the duration of the first one. */
bool model_run(struct model *model, struct failure *failure);

/* `runs` inferences; latency_ns has room for that many. Ends early once max_ns (0: no limit) have
 * passed since the start; *done is the number made. */
bool model_time(struct model *model, int64_t *latency_ns, size_t runs, int64_t max_ns,
                size_t *done, struct failure *failure);

/* Turns a status of the runtime into a failure; true for success. */
bool check(int status, const char *what, struct failure *failure);

#endif
