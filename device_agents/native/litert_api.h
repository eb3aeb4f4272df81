/* The part of LiteRT's C interface that the agent calls.
 *
 * Declared here so that building the agent needs no headers of LiteRT; the functions are looked up
 * in libLiteRt.so at run time. Every struct passed by pointer has the layout of releases 2.1.0 to
 * 2.3.0, which is the same.
 *
 * Source: google-ai-edge/LiteRT, litert/c/{litert_common, litert_environment, litert_model,
 * litert_model_types, litert_op_code, litert_custom_op_kernel, litert_layout, litert_options, litert_opaque_options, litert_compiled_model,
 * litert_tensor_buffer, litert_profiler, litert_profiler_event}.h
 */
#ifndef EDGEPRUNE_LITERT_API_H
#define EDGEPRUNE_LITERT_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct litert_environment *litert_environment;
typedef struct litert_model *litert_model;
typedef struct litert_options *litert_options;
typedef struct litert_opaque_options *litert_opaque_options;
typedef struct litert_cpu_options *litert_cpu_options;
typedef struct litert_runtime_options *litert_runtime_options;
typedef struct litert_compiled_model *litert_compiled_model;
typedef struct litert_signature *litert_signature;
typedef struct litert_subgraph *litert_subgraph;
typedef struct litert_tensor *litert_tensor;
typedef struct litert_op *litert_op;
typedef struct litert_buffer *litert_buffer;
typedef struct litert_requirements *litert_requirements;
typedef struct litert_profiler *litert_profiler;

enum { LITERT_ACCELERATOR_CPU = 1, LITERT_MAX_RANK = 8 };
enum { LITERT_LOCK_READ = 0, LITERT_LOCK_WRITE = 1 };
enum { LITERT_INVALID_ARGUMENT = 1, LITERT_MEMORY_ALLOCATION_FAILURE = 2 }; /* of LiteRtStatus */
enum { LITERT_OP_CUSTOM = 32 };       /* of litert_op_code.h */

/* Numbers of litert_model_types.h that the agent itself looks at. */
enum {
    LITERT_FLOAT32 = 1,
    LITERT_STRING = 5,
    LITERT_FLOAT16 = 10,
    LITERT_FLOAT64 = 11,
    LITERT_UINT8 = 3,
    LITERT_INT16 = 7,
    LITERT_INT8 = 9
};

/* Bits of an event's type, from litert_profiler_event.h. */
enum {
    LITERT_EVENT_OPERATOR = 1 << 1,
    LITERT_EVENT_DELEGATE = 1 << 2,
    LITERT_EVENT_DELEGATE_KERNEL = 1 << 3,
    LITERT_EVENT_TELEMETRY = 1 << 5 /* and all above: elapsed_us is no time there */
};

struct litert_layout {
    unsigned int rank : 7;
    unsigned int has_strides : 1;
    int32_t dimensions[LITERT_MAX_RANK];
    uint32_t strides[LITERT_MAX_RANK];
};

struct litert_tensor_type {
    int32_t element_type;
    struct litert_layout layout;
};

struct litert_memory_usage {
    size_t total_allocated_bytes;
    size_t in_use_allocated_bytes;
    size_t private_footprint_bytes;
};

struct litert_event {
    const char *tag; /* owned by the profiler, gone after a reset */
    int32_t event_type;
    uint64_t start_us;
    uint64_t elapsed_us;
    struct litert_memory_usage memory_before;
    struct litert_memory_usage memory_after;
    uint64_t metadata1;
    uint64_t metadata2;
    int32_t source; /* release 2.3.0 says 0 for every kernel, so the agent goes by event_type */
};

/* Functions of an operator that the runtime does not have. It ignores what they return. */
struct litert_custom_op {
    int (*init)(void *state, const void *options, size_t bytes);
    int (*shape)(void *state, size_t inputs, const struct litert_layout *input, size_t outputs,
                 struct litert_layout *output);
    int (*run)(void *state, size_t inputs, const litert_buffer *input, size_t outputs,
               litert_buffer *output);
    int (*destroy)(void *state);
};

/* X(name without "LiteRt", parameters); all return a status, 0 for success. CreateModelFromFile is
 * that of release 2.1.6 and later. */
#define LITERT_FUNCTIONS(X)                                                                        \
    X(CreateEnvironment, (int, const void *, litert_environment *))                                \
    X(CreateModelFromFile, (litert_environment, const char *, litert_model *))                     \
    X(GetModelSignature, (litert_model, size_t, litert_signature *))                               \
    X(GetSignatureSubgraph, (litert_signature, litert_subgraph *))                                 \
    X(GetNumSignatureInputs, (litert_signature, size_t *))                                         \
    X(GetNumSignatureOutputs, (litert_signature, size_t *))                                        \
    X(GetNumSubgraphInputs, (litert_subgraph, size_t *))                                           \
    X(GetNumSubgraphOutputs, (litert_subgraph, size_t *))                                          \
    X(GetSubgraphInput, (litert_subgraph, size_t, litert_tensor *))                                \
    X(GetSubgraphOutput, (litert_subgraph, size_t, litert_tensor *))                               \
    X(GetNumSubgraphOps, (litert_subgraph, size_t *))                                              \
    X(GetSubgraphOp, (litert_subgraph, size_t, litert_op *))                                       \
    X(GetOpCode, (litert_op, int32_t *))                                                           \
    X(GetCustomCode, (litert_op, const char **))                                                   \
    X(AddCustomOpKernelOption,                                                                     \
      (litert_options, const char *, int, const struct litert_custom_op *, void *))                \
    X(GetTensorName, (litert_tensor, const char **))                                               \
    X(GetRankedTensorType, (litert_tensor, struct litert_tensor_type *))                           \
    X(CreateOptions, (litert_options *))                                                           \
    X(SetOptionsHardwareAccelerators, (litert_options, int))                                       \
    X(CreateOpaqueOptions, (const char *, void *, void (*)(void *), litert_opaque_options *))      \
    X(AddOpaqueOptions, (litert_options, litert_opaque_options))                                   \
    X(CreateCompiledModel,                                                                         \
      (litert_environment, litert_model, litert_options, litert_compiled_model *))                 \
    X(CompiledModelResizeInputTensor,                                                              \
      (litert_compiled_model, size_t, size_t, const int *, size_t))                                \
    X(GetCompiledModelInputTensorLayout,                                                           \
      (litert_compiled_model, size_t, size_t, struct litert_layout *))                             \
    X(GetCompiledModelOutputTensorLayouts,                                                         \
      (litert_compiled_model, size_t, size_t, struct litert_layout *, bool))                       \
    X(GetCompiledModelInputBufferRequirements,                                                     \
      (litert_compiled_model, size_t, size_t, litert_requirements *))                              \
    X(GetCompiledModelOutputBufferRequirements,                                                    \
      (litert_compiled_model, size_t, size_t, litert_requirements *))                              \
    X(CreateManagedTensorBufferFromRequirements,                                                   \
      (litert_environment, const struct litert_tensor_type *, litert_requirements,                 \
       litert_buffer *))                                                                           \
    X(GetTensorBufferPackedSize, (litert_buffer, size_t *))                                        \
    X(LockTensorBuffer, (litert_buffer, void **, int))                                             \
    X(UnlockTensorBuffer, (litert_buffer))                                                         \
    X(RunCompiledModel,                                                                            \
      (litert_compiled_model, size_t, size_t, litert_buffer *, size_t, litert_buffer *))           \
    X(CompiledModelGetProfiler, (litert_compiled_model, litert_profiler *))                        \
    X(StartProfiler, (litert_profiler))                                                            \
    X(StopProfiler, (litert_profiler))                                                             \
    X(ResetProfiler, (litert_profiler))                                                            \
    X(GetNumProfilerEvents, (litert_profiler, int *))                                              \
    X(GetProfilerEvents, (litert_profiler, int, struct litert_event *))

/* X(name without "LiteRt", handle); these return nothing. */
#define LITERT_DESTRUCTORS(X)                                                                      \
    X(DestroyTensorBuffer, litert_buffer)                                                          \
    X(DestroyCompiledModel, litert_compiled_model)                                                 \
    X(DestroyOptions, litert_options)                                                              \
    X(DestroyModel, litert_model)

/* X(name without "LiteRt", parameters): options of releases 2.1.0 to 2.1.2. Later ones lack all of
 * these and take text instead. */
#define LITERT_OLD_OPTIONS(X)                                                                      \
    X(CreateCpuOptions, (litert_opaque_options *))                                                 \
    X(FindCpuOptions, (litert_opaque_options, litert_cpu_options *))                               \
    X(SetCpuOptionsNumThread, (litert_cpu_options, int))                                           \
    X(CreateRuntimeOptions, (litert_opaque_options *))                                             \
    X(FindRuntimeOptions, (litert_opaque_options, litert_runtime_options *))                       \
    X(SetRuntimeOptionsEnableProfiling, (litert_runtime_options, bool))

struct litert_api {
#define LITERT_MEMBER(name, parameters) int(*name) parameters;
    LITERT_FUNCTIONS(LITERT_MEMBER)
    LITERT_OLD_OPTIONS(LITERT_MEMBER)
#undef LITERT_MEMBER
#define LITERT_MEMBER(name, handle) void (*name)(handle);
    LITERT_DESTRUCTORS(LITERT_MEMBER)
#undef LITERT_MEMBER
    /* CreateModelFromFile as releases 2.1.0 to 2.1.5 have it, NULL in later ones. These export
     * LiteRtCreateModelFromFd, which came together with the environment as an argument. */
    int (*CreateModelFromFileAlone)(const char *, litert_model *);
};

#endif
