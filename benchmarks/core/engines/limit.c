/* The matrix products of an operation and nothing else: a list of bound BLAS calls, gone through again and again. */

#include <stdint.h>

/* One call of Fortran's ?gemm; `wide` ones are for libraries with 64-bit integers. */
typedef struct {
    int64_t m, n, k, lda, ldb, ldc;
    double alpha, beta;
    const void *a, *b;
    void *c;
    char trans_a, trans_b;
} product;

#define RUN(name, real, integer)                                                                                     \
    typedef void (*name##_gemm)(const char *, const char *, const integer *, const integer *, const integer *,       \
                                const real *, const real *, const integer *, const real *, const integer *,         \
                                const real *, real *, const integer *);                                              \
    void name(name##_gemm gemm, const product *products, int64_t each, int64_t batches, int64_t first, int64_t count) \
    {                                                                                                                \
        for (int64_t done = 0; done < count; done++) {                                                               \
            const product *p = products + ((first + done) % batches) * each;                                         \
            for (int64_t i = 0; i < each; i++, p++) {                                                                \
                integer m = (integer)p->m, n = (integer)p->n, k = (integer)p->k;                                     \
                integer lda = (integer)p->lda, ldb = (integer)p->ldb, ldc = (integer)p->ldc;                         \
                real alpha = (real)p->alpha, beta = (real)p->beta;                                                   \
                gemm(&p->trans_a, &p->trans_b, &m, &n, &k, &alpha, p->a, &lda, p->b, &ldb, &beta, p->c, &ldc);       \
            }                                                                                                        \
        }                                                                                                            \
    }

RUN(run_s, float, int32_t)
RUN(run_d, double, int32_t)
RUN(run_s_wide, float, int64_t)
RUN(run_d_wide, double, int64_t)
