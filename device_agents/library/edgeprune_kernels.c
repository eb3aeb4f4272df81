#include "edgeprune_kernels.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../kernels/kernel.h"
#include "../native/own_kernels.h"

struct edgeprune_kernels {
    struct litert_api api; /* only what own_kernels.c calls is there */
    struct own_kernels *own; /* NULL for a model without such operators */
    bool is_registered;
    struct failure failure;
};

/* The runtime that the process has loaded, wherever its symbols are to be seen. */
static void *loaded_runtime(void)
{
    void *library = dlopen("libLiteRt.so", RTLD_NOW | RTLD_NOLOAD);
    return library != NULL ? library : dlopen(NULL, RTLD_NOW);
}

static bool find_runtime(struct litert_api *api, struct failure *failure)
{
    void *library = loaded_runtime();
    if (library == NULL) {
        return fail(failure, "libLiteRt.so is not loaded: load it first");
    }
#define FIND(name)                                                                                 \
    do {                                                                                           \
        void *symbol = dlsym(library, "LiteRt" #name);                                             \
        if (symbol == NULL) {                                                                      \
            dlclose(library);                                                                      \
            return fail(failure, "no libLiteRt.so with LiteRt" #name                               \
                                 " is loaded: load release 2.1.0 or later first");                 \
        }                                                                                          \
        memcpy(&api->name, &symbol, sizeof symbol); /* ISO C knows no cast to a function */         \
    } while (0)
    FIND(GetModelSignature);
    FIND(GetSignatureSubgraph);
    FIND(GetNumSubgraphOps);
    FIND(GetSubgraphOp);
    FIND(GetOpCode);
    FIND(GetCustomCode);
    FIND(AddCustomOpKernelOption);
    FIND(GetTensorBufferPackedSize);
    FIND(LockTensorBuffer);
    FIND(UnlockTensorBuffer);
#undef FIND
    dlclose(library); /* it stays loaded by whoever loaded it, and has to, for the model's sake */
    return true;
}

static bool register_model(struct edgeprune_kernels *kernels, litert_model model,
                           litert_options options, int threads)
{
    litert_signature signature = NULL;
    litert_subgraph graph = NULL;
    if (!find_runtime(&kernels->api, &kernels->failure)) {
        return false;
    }
    if (kernels->api.GetModelSignature(model, 0, &signature) != 0 ||
        kernels->api.GetSignatureSubgraph(signature, &graph) != 0) {
        return fail(&kernels->failure, "the model's graph cannot be read");
    }
    if (threads < 1) {
        return fail(&kernels->failure, "%d threads: at least 1 runs a layer", threads);
    }
    return own_kernels_register(&kernels->own, &kernels->api, graph, options, &kernels->failure) &&
           own_kernels_use_threads(kernels->own, threads, &kernels->failure);
}

int edgeprune_kernels_register(struct edgeprune_kernels **kernels, void *model, void *options,
                               int threads)
{
    *kernels = calloc(1, sizeof **kernels);
    if (*kernels == NULL) {
        return LITERT_MEMORY_ALLOCATION_FAILURE;
    }
    (*kernels)->is_registered = register_model(*kernels, model, options, threads);
    return (*kernels)->is_registered ? 0 : LITERT_INVALID_ARGUMENT;
}

const char *edgeprune_kernels_error(struct edgeprune_kernels *kernels)
{
    if (kernels == NULL) {
        return "no memory for the kernels";
    }
    const bool is_good =
        kernels->is_registered && own_kernels_good(kernels->own, &kernels->failure);
    return is_good ? NULL : kernels->failure.text;
}

int edgeprune_kernels_count(const struct edgeprune_kernels *kernels)
{
    return kernels == NULL ? 0 : (int)own_kernels_count(kernels->own);
}

const char *edgeprune_kernels_name(void)
{
    return best_kernel()->name;
}

void edgeprune_kernels_free(struct edgeprune_kernels *kernels)
{
    if (kernels != NULL) {
        own_kernels_free(kernels->own);
        free(kernels);
    }
}
