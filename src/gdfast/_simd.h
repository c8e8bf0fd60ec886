/* A vector of doubles, as wide as the processor that this file is compiled for.

   GD_WIDTH doubles make a gd_vec; + - * act on each. Sums run in GD_LANES lanes
   whatever the width, and are folded in one order, so that every width gives the same
   bits. Compilers without vector extensions get a width of 1. */
#ifndef GDFAST_SIMD_H
#define GDFAST_SIMD_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define GD_LANES 8

#if defined(__GNUC__) && defined(__AVX2__)
#include <immintrin.h>
#define GD_WIDTH 4
#elif defined(__GNUC__)
#define GD_WIDTH 2
#else
#define GD_WIDTH 1
#endif
#define GD_PARTS (GD_LANES / GD_WIDTH)
#define GD_TALL (GD_WIDTH > 1 ? 4 : 2) /* rows of a tile of 2 GD_WIDTH: fits registers */

#if GD_WIDTH > 1

typedef double gd_vec __attribute__((vector_size(8 * GD_WIDTH)));
typedef double gd_unaligned __attribute__((vector_size(8 * GD_WIDTH), aligned(8)));
typedef int64_t gd_bits __attribute__((vector_size(8 * GD_WIDTH)));
typedef uint64_t gd_words __attribute__((vector_size(8 * GD_WIDTH)));

/* Not by memcpy, after which a compiler would load every pointer anew. */
static inline gd_vec gd_load(const double *from)
{
    return *(const gd_unaligned *)from;
}

static inline void gd_store(double *to, gd_vec value)
{
    *(gd_unaligned *)to = value;
}

static inline gd_vec gd_splat(double value)
{
    return value - (gd_vec){0};
}

/* The value in the first lane and zeros in the others. */
static inline gd_vec gd_lead(double value) { return (gd_vec){value}; }

static inline double gd_lane(gd_vec value, int k) { return value[k]; }

/* As many of four values as there are lanes. */
static inline gd_vec gd_join(double a, double b, double c, double d)
{
#if GD_WIDTH == 4
    return (gd_vec){a, b, c, d};
#else
    (void)c, (void)d;
    return (gd_vec){a, b};
#endif
}

static inline gd_vec gd_divide(gd_vec a, gd_vec b) { return a / b; }

static inline gd_vec gd_choose(gd_bits mask, gd_vec a, gd_vec b)
{
#if GD_WIDTH == 4
    return (gd_vec)_mm256_blendv_pd((__m256d)b, (__m256d)a, (__m256d)mask);
#else
    return (gd_vec)((mask & (gd_bits)a) | (~mask & (gd_bits)b));
#endif
}

/* a where x < limit, b elsewhere and where x is NaN. */
static inline gd_vec gd_where_less(gd_vec x, gd_vec limit, gd_vec a, gd_vec b)
{
    return gd_choose(x < limit, a, b);
}

static inline gd_vec gd_absolute(gd_vec x)
{
    return (gd_vec)((gd_bits)x & INT64_MAX);
}

/* x 2^k, where k is an integer that was added to 1.5 2^52 and so fills the low bits. */
static inline gd_vec gd_scale(gd_vec x, gd_vec shifted_k)
{
    return (gd_vec)((gd_words)x + ((gd_words)shifted_k << 52));
}

/* The largest k with 2^k <= x, for x from 1 on that is finite. */
static inline gd_vec gd_exponent(gd_vec x)
{
    gd_words bits = ((gd_words)x >> 52) | 0x4330000000000000; /* 2^52 and what is or'ed */
    return (gd_vec)bits - (4503599627370496.0 + 1023.0);
}

#else

typedef double gd_vec;

static inline gd_vec gd_load(const double *from) { return *from; }
static inline void gd_store(double *to, gd_vec value) { *to = value; }
static inline gd_vec gd_splat(double value) { return value; }
static inline gd_vec gd_lead(double value) { return value; }
static inline double gd_lane(gd_vec value, int k) { (void)k; return value; }
static inline gd_vec gd_join(double a, double b, double c, double d)
{
    (void)b, (void)c, (void)d;
    return a;
}
static inline gd_vec gd_divide(gd_vec a, gd_vec b) { return a / b; }
static inline gd_vec gd_where_less(gd_vec x, gd_vec limit, gd_vec a, gd_vec b)
{
    return x < limit ? a : b;
}
static inline gd_vec gd_absolute(gd_vec x) { return fabs(x); }
static inline gd_vec gd_scale(gd_vec x, gd_vec shifted_k)
{
    return ldexp(x, (int)(shifted_k - 6755399441055744.0));
}
static inline gd_vec gd_exponent(gd_vec x)
{
    int k;
    frexp(x, &k);
    return k - 1;
}

#endif

static inline gd_vec gd_load_single(const float *from)
{
#if GD_WIDTH == 4
    return (gd_vec)_mm256_cvtps_pd(_mm_loadu_ps(from));
#elif GD_WIDTH == 2
    return (gd_vec){from[0], from[1]};
#else
    return *from;
#endif
}

/* Ask for the memory around an address, whether or not it is there. To gcc that has no
   effect, and functions that do nothing else it leaves out, unless something stays. */
static inline void gd_prefetch(const void *address)
{
#ifdef __GNUC__
    __builtin_prefetch(address);
    __asm__ volatile("");
#else
    (void)address;
#endif
}

/* The same to the second-level cache. */
static inline void gd_prefetch_far(const void *address)
{
#ifdef __GNUC__
    __builtin_prefetch(address, 0, 2);
    __asm__ volatile("");
#else
    (void)address;
#endif
}

/* Sum of the lanes k and k + 4, of these k and k + 2, of these both. */
static inline double gd_fold(const gd_vec *part)
{
    double lane[GD_LANES];
    memcpy(lane, part, sizeof lane);
    return ((lane[0] + lane[4]) + (lane[2] + lane[6]))
        + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

/* The same for four sums that lie one behind the other. */
static inline void gd_fold4(const gd_vec *part, double *sums)
{
#if GD_WIDTH == 4
    gd_vec a = part[0] + part[1], b = part[2] + part[3];
    gd_vec c = part[4] + part[5], d = part[6] + part[7];
    gd_vec ab = (gd_vec){a[0], a[1], b[0], b[1]} + (gd_vec){a[2], a[3], b[2], b[3]};
    gd_vec cd = (gd_vec){c[0], c[1], d[0], d[1]} + (gd_vec){c[2], c[3], d[2], d[3]};
    gd_store(sums, (gd_vec){ab[0], ab[2], cd[0], cd[2]}
                 + (gd_vec){ab[1], ab[3], cd[1], cd[3]});
#elif GD_WIDTH == 2
    for (int i = 0; i < 4; i += 2) {
        const gd_vec *p = part + 4 * i, *q = p + 4;
        gd_vec a = (p[0] + p[2]) + (p[1] + p[3]), b = (q[0] + q[2]) + (q[1] + q[3]);
        gd_store(sums + i, (gd_vec){a[0], b[0]} + (gd_vec){a[1], b[1]});
    }
#else
    for (int i = 0; i < 4; i++)
        sums[i] = gd_fold(part + i * GD_PARTS);
#endif
}

/* What the processor can run: 3 for AVX2 (x86-64-v3), else 1. */
static inline int gd_cpu_level(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") ? 3 : 1;
#else
    return 1;
#endif
}

#endif
