/* Runs a program: NumPy's loops and BLAS products one after the other, each with all that it needs beside it.
 *
 * A program is a table of 64-bit words that `core.plans.native.program` writes. It begins with the places where addresses
 * inside the batch's arrays and the target belong, which differ from run to run; then come the records, each with its kind first:
 *
 *   patches:  count, then (position, input, offset) each
 *   LOOP:     function, data, outer count, inner count, 3 addresses, 3 inner steps, 3 outer steps   (steps in bytes)
 *   GEMM:     function, 13 addresses
 *   GEMV:     function, 11 addresses
 *   DOT_F32, DOT_F64:    function, 5 addresses, address of the result
 *   MASK_F32, MASK_F64:  count, address of the numbers, address of the booleans
 *   END
 *
 * Nothing here allocates, fails, or knows of Python, but that an array's header is followed by the address of its data.
 */
#include <stdint.h>
#include <string.h>

typedef int64_t Word;
typedef void Loop(char **, const Word *, const Word *, void *);
typedef void Gemm(Word, Word, Word, Word, Word, Word, Word, Word, Word, Word, Word, Word, Word);
typedef void Gemv(Word, Word, Word, Word, Word, Word, Word, Word, Word, Word, Word);
typedef float DotF32(Word, Word, Word, Word, Word);
typedef double DotF64(Word, Word, Word, Word, Word);

enum { END, LOOP, GEMM, GEMV, DOT_F32, DOT_F64, MASK_F32, MASK_F64 };

/* The processor's widest vectors, whichever it is that runs this. */
#if defined(__x86_64__) && defined(__linux__)
#define WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDE
#endif

WIDE static void mask_f32(Word count, float *restrict numbers, const uint8_t *restrict mask) {
    for (Word i = 0; i < count; i++) numbers[i] *= (float)mask[i];
}

WIDE static void mask_f64(Word count, double *restrict numbers, const uint8_t *restrict mask) {
    for (Word i = 0; i < count; i++) numbers[i] *= (double)mask[i];
}

static void loop(const Word *record) {
    Loop *function = (Loop *)record[0];
    Word outer = record[2], inner[1] = {record[3]};
    const Word *base = record + 4, *steps = record + 7, *outer_steps = record + 10;
    for (Word i = 0; i < outer; i++) {
        char *arguments[3];
        for (int k = 0; k < 3; k++) arguments[k] = (char *)(base[k] + i * outer_steps[k]);
        function(arguments, inner, steps, (void *)record[1]);
    }
}

/* An array that batches are taken from, row by row, and where the rows of a batch go. */
typedef struct {
    const char *rows;
    Word row_bytes;
    char *batch;
} Source;

static void take(const Source *from, const Word *chosen, Word count) {
    for (Word i = 0; i < count; i++)
        memcpy(from->batch + i * from->row_bytes, from->rows + chosen[i] * from->row_bytes, (size_t)from->row_bytes);
}

/* Rows in random order are in no cache. Those of the next batch are sent for while this one is worked on: some lines before
 * each operation, since a processor has few requests under way at a time and forgets or waits for what is beyond them. */
typedef struct {
    const Source *from;
    const Word *chosen;
    Word count, row, at;
} Errand;

enum { LINE = 64, LINES_AT_ONCE = 40 };

static void send_for_some(Errand *errand) {
    for (int i = 0; i < LINES_AT_ONCE && errand->row < errand->count; i++) {
        const Source *from = errand->from;
        __builtin_prefetch(from->rows + errand->chosen[errand->row] * from->row_bytes + errand->at, 0, 2);
        errand->at += LINE;
        if (errand->at >= from->row_bytes) errand->at = 0, errand->row++;
    }
}

static void run(Word *program, Word x, Word y, Word target, Errand *errand) {
    Word inputs[3] = {x, y, target};
    const Word *patch = program + 1;
    for (Word i = 0; i < program[0]; i++, patch += 3) program[patch[0]] = inputs[patch[1]] + patch[2];
    for (const Word *at = patch;;) {
        const Word *r = at + 1;
        send_for_some(errand);
        switch (*at) {
        case END:
            return;
        case LOOP:
            loop(r);
            at += 14;
            break;
        case GEMM:
            ((Gemm *)r[0])(r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13]);
            at += 15;
            break;
        case GEMV:
            ((Gemv *)r[0])(r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11]);
            at += 13;
            break;
        case DOT_F32:
            *(float *)r[6] = ((DotF32 *)r[0])(r[1], r[2], r[3], r[4], r[5]);
            at += 8;
            break;
        case DOT_F64:
            *(double *)r[6] = ((DotF64 *)r[0])(r[1], r[2], r[3], r[4], r[5]);
            at += 8;
            break;
        case MASK_F32:
            mask_f32(r[0], (float *)r[1], (const uint8_t *)r[2]);
            at += 4;
            break;
        case MASK_F64:
            mask_f64(r[0], (double *)r[1], (const uint8_t *)r[2]);
            at += 4;
            break;
        }
    }
}

/* The program once, on arrays of NumPy, of whose objects the header has `header` bytes. */
void gradwire_run(Word *program, Word header, const char *x, const char *y, const char *target) {
    Errand none = {0};
    run(program, *(const Word *)(x + header), *(const Word *)(y + header), *(const Word *)(target + header), &none);
}

/* The program on one batch of `size` rows after the other, `count` of them, which `order` tells. */
void gradwire_train(Word *program, const Source *x, const Source *y, const Word *order, Word size, Word count) {
    for (Word i = 1; i <= count; i++, order += size) {
        take(x, order, size);
        take(y, order, size);
        Errand next = {x, order + size, i < count ? size : 0, 0, 0};
        run(program, (Word)x->batch, (Word)y->batch, 0, &next);
    }
}
