/* edgeprune's block-sparse int8 kernels for apps that run LiteRT.
 *
 * A file that `edgeprune deploy` or `edgeprune compress` wrote may hold operators `edgeprune.conv.N`,
 * which LiteRT itself has no kernels for. One call, between LiteRtCreateOptions and
 * LiteRtCreateCompiledModel, brings them; the best kernel for the processor is picked then.
 *
 *     struct edgeprune_kernels *kernels;
 *     if (edgeprune_kernels_register(&kernels, model, options, 1) != 0) { ... edgeprune_kernels_error }
 *     LiteRtCreateCompiledModel(environment, model, options, &compiled);
 *     if (edgeprune_kernels_error(kernels) != NULL) { ... }   LiteRT passes on no error of a kernel
 *     LiteRtRunCompiledModel(...);
 *     if (edgeprune_kernels_error(kernels) != NULL) { ... }
 *     LiteRtDestroyCompiledModel(compiled);
 *     edgeprune_kernels_free(kernels);
 *
 * LiteRT 2.1.0 and later. libLiteRt.so has to be loaded already; this library looks it up in the
 * process and links to nothing but the C library. */
#ifndef EDGEPRUNE_KERNELS_H
#define EDGEPRUNE_KERNELS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define EDGEPRUNE_API __attribute__((visibility("default")))
#else
#define EDGEPRUNE_API
#endif

/* The kernels of one model. */
struct edgeprune_kernels;

/* Registers a kernel with `options` for each such operator of `model`; none for a model without.
 *
 * `model` is a LiteRtModel and `options` a LiteRtOptions. The model, and the file that it is mapped
 * from, have to outlive the compiled model. `threads` share each layer, the caller's among them: as
 * many as the runtime has. Returns 0, or a LiteRtStatus that is not; *kernels is NULL only where
 * there is no memory for it, and has to be freed in any other case. */
EDGEPRUNE_API int edgeprune_kernels_register(struct edgeprune_kernels **kernels, void *model,
                                             void *options, int threads);

/* What went wrong so far, in words, or NULL: in registering, in reading a plan while the model was
 * compiled, or in a run. Outputs of a run after which this is not NULL are to be thrown away. To be
 * called by the thread that compiles and runs the model. The text stays until the next call. */
EDGEPRUNE_API const char *edgeprune_kernels_error(struct edgeprune_kernels *kernels);

/* How many operators of the model run in these kernels. */
EDGEPRUNE_API int edgeprune_kernels_count(const struct edgeprune_kernels *kernels);

/* The kernel that this processor gets: "neon_dot", "avx512_vnni", "avx2", "scalar" ... */
EDGEPRUNE_API const char *edgeprune_kernels_name(void);

/* After LiteRtDestroyCompiledModel. Nothing is done for NULL. */
EDGEPRUNE_API void edgeprune_kernels_free(struct edgeprune_kernels *kernels);

#ifdef __cplusplus
}
#endif

#endif
