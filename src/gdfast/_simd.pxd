# The vectors of `_simd.h`. To Cython a `vec` is a double, so that + - * can be written;
# to C it is WIDTH doubles.

cdef enum:
    LANES = 8  # GD_LANES, as a number that a loop can step by

cdef extern from "_simd.h" nogil:
    enum:
        WIDTH "GD_WIDTH"
        PARTS "GD_PARTS"
        TALL "GD_TALL"
    ctypedef double vec "gd_vec"
    vec splat "gd_splat"(double value)
    vec lead "gd_lead"(double value)
    vec load "gd_load"(const double* source)
    vec load_single "gd_load_single"(const float* source)
    void store "gd_store"(double* target, vec value)
    double lane "gd_lane"(vec value, int k)
    vec join "gd_join"(double a, double b, double c, double d)
    vec divide "gd_divide"(vec a, vec b)
    vec where_less "gd_where_less"(vec x, vec limit, vec a, vec b)
    vec absolute "gd_absolute"(vec x)
    vec scale "gd_scale"(vec x, vec shifted_k)
    vec exponent "gd_exponent"(vec x)
    void prefetch "gd_prefetch"(const void* address)
    void prefetch_far "gd_prefetch_far"(const void* address)
    double fold "gd_fold"(const vec* part)
    void fold4 "gd_fold4"(const vec* part, double* sums)
    int cpu_level "gd_cpu_level"()
