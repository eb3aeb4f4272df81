/* Opening the runtime's library. */
#include <dlfcn.h>
#include <string.h>

#include "runtime.h"

static bool find_symbol(void *library, const char *name, void *function, struct failure *failure)
{
    void *symbol = dlsym(library, name);
    if (symbol == NULL) {
        return fail(failure, "the runtime library has no %s: another version?", name);
    }
    memcpy(function, &symbol, sizeof symbol); /* ISO C knows no cast from data to function */
    return true;
}

static bool open_library(struct litert_api *api, const char *path, struct failure *failure)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        return fail(failure, "runtime library: %s", dlerror());
    }
#define FIND(name, parameters)                                                                     \
    if (!find_symbol(library, "LiteRt" #name, &api->name, failure)) {                              \
        return false;                                                                              \
    }
    LITERT_FUNCTIONS(FIND)
    LITERT_DESTRUCTORS(FIND)
    if (dlsym(library, "LiteRtCreateCpuOptions") != NULL) {
        LITERT_OLD_OPTIONS(FIND)
    }
#undef FIND
    if (dlsym(library, "LiteRtCreateModelFromFd") == NULL) {
        return find_symbol(library, "LiteRtCreateModelFromFile", &api->CreateModelFromFileAlone,
                           failure);
    }
    return true;
}

bool runtime_open(struct model *model, const char *path, struct failure *failure)
{
    if (model->runtime != NULL) {
        return strcmp(model->runtime, path) == 0 ||
               fail(failure, "the process runs on %s and cannot change to another runtime",
                    model->runtime);
    }
    if (!open_library(&model->api, path, failure)) {
        return false;
    }
    if (!check(model->api.CreateEnvironment(0, NULL, &model->environment),
               "LiteRtCreateEnvironment", failure)) {
        return false;
    }
    model->runtime = strdup(path);
    if (model->runtime == NULL) {
        die("no memory for a path");
    }
    return true;
}
