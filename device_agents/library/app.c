/* Runs a .tflite file that may hold layers for edgeprune's own kernels, once, on LiteRT:
 *
 *     cc app.c -I.. libedgeprune_kernels.so libLiteRt.so -o app
 *     ./app deployed.tflite < input.bin > output.bin
 *
 * The input and the output are raw bytes of the model's one input and one output. An app with LiteRT's
 * C headers includes these in the place of the declarations below. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edgeprune_kernels.h"

typedef struct LiteRtEnvironmentT *LiteRtEnvironment;
typedef struct LiteRtModelT *LiteRtModel;
typedef struct LiteRtOptionsT *LiteRtOptions;
typedef struct LiteRtCompiledModelT *LiteRtCompiledModel;
typedef struct LiteRtSignatureT *LiteRtSignature;
typedef struct LiteRtSubgraphT *LiteRtSubgraph;
typedef struct LiteRtTensorT *LiteRtTensor;
typedef struct LiteRtTensorBufferT *LiteRtTensorBuffer;
typedef struct LiteRtTensorBufferRequirementsT *LiteRtTensorBufferRequirements;
typedef struct {
    int32_t element_type;
    struct {
        unsigned int rank : 7;
        bool has_strides : 1;
        int32_t dimensions[8];
        uint32_t strides[8];
    } layout;
} LiteRtRankedTensorType;

int LiteRtCreateEnvironment(int, const void *, LiteRtEnvironment *);
int LiteRtCreateModelFromFile(LiteRtEnvironment, const char *, LiteRtModel *);
int LiteRtCreateOptions(LiteRtOptions *);
int LiteRtSetOptionsHardwareAccelerators(LiteRtOptions, int);
int LiteRtCreateCompiledModel(LiteRtEnvironment, LiteRtModel, LiteRtOptions, LiteRtCompiledModel *);
int LiteRtGetModelSignature(LiteRtModel, size_t, LiteRtSignature *);
int LiteRtGetSignatureSubgraph(LiteRtSignature, LiteRtSubgraph *);
int LiteRtGetSubgraphInput(LiteRtSubgraph, size_t, LiteRtTensor *);
int LiteRtGetSubgraphOutput(LiteRtSubgraph, size_t, LiteRtTensor *);
int LiteRtGetRankedTensorType(LiteRtTensor, LiteRtRankedTensorType *);
int LiteRtGetCompiledModelInputBufferRequirements(LiteRtCompiledModel, size_t, size_t,
                                                  LiteRtTensorBufferRequirements *);
int LiteRtGetCompiledModelOutputBufferRequirements(LiteRtCompiledModel, size_t, size_t,
                                                   LiteRtTensorBufferRequirements *);
int LiteRtCreateManagedTensorBufferFromRequirements(LiteRtEnvironment,
                                                    const LiteRtRankedTensorType *,
                                                    LiteRtTensorBufferRequirements,
                                                    LiteRtTensorBuffer *);
int LiteRtGetTensorBufferPackedSize(LiteRtTensorBuffer, size_t *);
int LiteRtLockTensorBuffer(LiteRtTensorBuffer, void **, int);
int LiteRtUnlockTensorBuffer(LiteRtTensorBuffer);
int LiteRtRunCompiledModel(LiteRtCompiledModel, size_t, size_t, LiteRtTensorBuffer *, size_t,
                           LiteRtTensorBuffer *);
void LiteRtDestroyTensorBuffer(LiteRtTensorBuffer);
void LiteRtDestroyCompiledModel(LiteRtCompiledModel);
void LiteRtDestroyOptions(LiteRtOptions);
void LiteRtDestroyModel(LiteRtModel);
void LiteRtDestroyEnvironment(LiteRtEnvironment);

enum { CPU = 1, READ = 0, WRITE = 1, THREADS = 1 };

static void need(bool is_good, const char *what)
{
    if (!is_good) {
        fprintf(stderr, "app: %s\n", what);
        exit(1);
    }
}

#define TRY(call) need((call) == 0, #call)

static void need_kernels(struct edgeprune_kernels *kernels)
{
    const char *error = edgeprune_kernels_error(kernels);
    need(error == NULL, error);
}

/* Copies one buffer from standard input, or to standard output. */
static void move_bytes(LiteRtTensorBuffer buffer, int mode)
{
    size_t bytes = 0;
    void *data = NULL;
    TRY(LiteRtGetTensorBufferPackedSize(buffer, &bytes));
    TRY(LiteRtLockTensorBuffer(buffer, &data, mode));
    const size_t moved = mode == WRITE ? fread(data, 1, bytes, stdin)
                                       : fwrite(data, 1, bytes, stdout);
    need(moved == bytes, "the input has another size than the model's, or the output is closed");
    TRY(LiteRtUnlockTensorBuffer(buffer));
}

int main(int argc, char **argv)
{
    LiteRtEnvironment environment;
    LiteRtModel model;
    LiteRtOptions options;
    LiteRtCompiledModel compiled;
    struct edgeprune_kernels *kernels;
    need(argc == 2, "usage: app MODEL.tflite < INPUT > OUTPUT");
    TRY(LiteRtCreateEnvironment(0, NULL, &environment));
    TRY(LiteRtCreateModelFromFile(environment, argv[1], &model));
    TRY(LiteRtCreateOptions(&options));
    TRY(LiteRtSetOptionsHardwareAccelerators(options, CPU));

    if (edgeprune_kernels_register(&kernels, model, options, THREADS) != 0) {
        need_kernels(kernels);
    }
    TRY(LiteRtCreateCompiledModel(environment, model, options, &compiled));
    need_kernels(kernels); /* LiteRT passes on no error of a kernel */

    LiteRtSignature signature;
    LiteRtSubgraph graph;
    LiteRtTensor ends[2];
    LiteRtRankedTensorType types[2];
    LiteRtTensorBufferRequirements requirements[2];
    LiteRtTensorBuffer buffers[2];
    TRY(LiteRtGetModelSignature(model, 0, &signature));
    TRY(LiteRtGetSignatureSubgraph(signature, &graph));
    TRY(LiteRtGetSubgraphInput(graph, 0, &ends[0]));
    TRY(LiteRtGetSubgraphOutput(graph, 0, &ends[1]));
    TRY(LiteRtGetCompiledModelInputBufferRequirements(compiled, 0, 0, &requirements[0]));
    TRY(LiteRtGetCompiledModelOutputBufferRequirements(compiled, 0, 0, &requirements[1]));
    for (int i = 0; i < 2; i++) {
        TRY(LiteRtGetRankedTensorType(ends[i], &types[i]));
        TRY(LiteRtCreateManagedTensorBufferFromRequirements(environment, &types[i],
                                                            requirements[i], &buffers[i]));
    }
    move_bytes(buffers[0], WRITE);
    TRY(LiteRtRunCompiledModel(compiled, 0, 1, &buffers[0], 1, &buffers[1]));
    need_kernels(kernels);
    move_bytes(buffers[1], READ);
    fprintf(stderr, "%d layers ran in %s\n", edgeprune_kernels_count(kernels),
            edgeprune_kernels_name());

    for (int i = 0; i < 2; i++) {
        LiteRtDestroyTensorBuffer(buffers[i]);
    }
    LiteRtDestroyCompiledModel(compiled);
    edgeprune_kernels_free(kernels);
    LiteRtDestroyOptions(options);
    LiteRtDestroyModel(model);
    LiteRtDestroyEnvironment(environment);
    return 0;
}
