# Blocks of rows: where the loops of a pass find their values. A block is read in place
# or copied to where it is centred and followed by zeros.

from libc.stdlib cimport calloc
from libc.string cimport memset

from gdfast._simd cimport (
    LANES, PARTS, WIDTH, fold, load, load_single, prefetch, prefetch_far, store, vec,
)

ctypedef fused x_value:
    float
    double

ctypedef fused y_value:
    float
    double

cdef enum:
    BLOCK_VALUES = 1024     # of X
    MIN_BLOCK_ROWS = 4
    MAX_BLOCK_ROWS = 256
    MOMENT_VALUES = 512     # of X in a block that moments are made of,
    MIN_MOMENT_ROWS = 16    # with so many rows that its sums are rarely put away
    OUTPUT_VALUES = 4096    # of X in a block for several outputs,
    MIN_OUTPUT_ROWS = 32    # with so many rows for the same reason
    SHORT_ROW = 128         # bytes: four rows up to this lie close to each other,
    LONG_ROW = 2048         # and those of so many features share coef
    LINE = 64               # bytes that come from memory together
    ORDERED_VALUES = 256    # of X in a block of rows out of order, of which
    AHEAD_BYTES = 8192      # so many are asked for ahead,
    AHEAD_ROW = 4096        # and of each so many, as the processor foresees the rest
    NEAR_ROWS = 8           # ahead of reading its middle is wanted first

cdef struct Data:
    # A chunk of examples as the caller holds it. Steps are in bytes.
    const char* X
    Py_ssize_t x_step
    bint x_single        # float32, else float64
    const char* y
    Py_ssize_t y_step
    bint y_single
    Py_ssize_t n_outputs
    Py_ssize_t target_step  # from a target of a row to that of the next output
    bint classes         # whether y is numbers of classes: the target is 1 or 0
    const double* sample_weight  # NULL: every row weighs 1
    const double* center         # NULL: columns are taken as they are
    const double* scale
    Py_ssize_t n_rows
    Py_ssize_t n_features
    const Py_ssize_t* order      # where the rows are in X; NULL: one after the other
    const Py_ssize_t* order_end  # of these and the ones that are wanted after them
    Py_ssize_t n_known   # rows from the first one on: these, and ones of later batches
    const void* indptr           # where sparse rows begin in X; NULL: all are whole
    bint wide_row                # int64, else int32
    const void* indices          # columns of the values in X
    bint wide_index

cdef struct Work:
    # What a pass needs beside the data: the block at hand, and running sums.
    bint moments         # whether moments are added up beside the gradient
    Py_ssize_t padded    # features, and zeros up to whole lanes
    Py_ssize_t copy_step  # values from one row to the next where rows are copied
    Py_ssize_t max_rows  # of a block
    Py_ssize_t lanes     # that in whole lanes: from one output to the next
    Py_ssize_t max_stored  # values of sparse ones
    const Py_ssize_t* asked  # the first row of an order that was not asked for ahead
    Py_ssize_t n_rows    # of this block; its arrays go on with zeros to whole lanes
    const char* x        # in X, or in `x_memory` as doubles
    Py_ssize_t step      # values from one row to the next
    bint single          # whether they are float32
    const char* y        # in y, or in `y_memory` as doubles
    bint y_single
    const double* weight  # NULL: every row weighs 1
    double* memory       # one piece for all of these
    double* center       # of the columns: 0 and 1 where they are taken as they are
    double* scale
    double* coef         # of several outputs in tiles, with the intercepts in front
    double* gradient     # sums; of one feature in lanes; output after output
    double* loss_sum     # in lanes of each output, or of the first for all of them
    double* slope_sum    # the same
    double* z            # of each row, output after output
    double* slope
    double* y_memory
    double* weight_memory
    double* x_memory


cdef inline Py_ssize_t whole_lanes(Py_ssize_t n) noexcept nogil:
    return (n + LANES - 1) // LANES * LANES


cdef inline double fold_lanes(const double* lane_sum) noexcept nogil:
    cdef int k
    cdef vec[PARTS] part
    for k in range(PARTS):
        part[k] = load(lane_sum + k * WIDTH)
    return fold(part)


cdef inline double fold_losses(const Work* work, Py_ssize_t n_outputs) noexcept nogil:
    # The sum of the losses of all outputs.
    cdef Py_ssize_t o
    cdef double total = fold_lanes(work.loss_sum)
    for o in range(1, n_outputs):
        total += fold_lanes(work.loss_sum + o * LANES)
    return total


cdef inline Py_ssize_t x_size(const Data* data) noexcept nogil:
    return sizeof(float) if data.x_single else sizeof(double)


cdef inline Py_ssize_t y_size(const Data* data) noexcept nogil:
    return sizeof(float) if data.y_single else sizeof(double)


cdef inline bint by_fours(const Data* data, const Work* work) noexcept nogil:
    # Whether rows are read four at once.
    cdef Py_ssize_t d = data.n_features
    if work.moments or data.n_outputs > 1:
        return True
    return d * x_size(data) <= SHORT_ROW or d >= LONG_ROW


cdef inline Py_ssize_t block_rows(const Data* data, bint moments) noexcept nogil:
    # The largest number of rows of a block.
    cdef Py_ssize_t rows = BLOCK_VALUES // data.n_features, least = MIN_BLOCK_ROWS
    if moments:
        rows = MOMENT_VALUES // whole_lanes(data.n_features)
        least = MIN_MOMENT_ROWS
    elif data.n_outputs > 1:
        rows = OUTPUT_VALUES // data.n_features // LANES * LANES
        least = MIN_OUTPUT_ROWS
    elif data.order != NULL:
        rows = ORDERED_VALUES // data.n_features
    return max(least, min(MAX_BLOCK_ROWS, rows // 4 * 4))


cdef inline Py_ssize_t coef_size(const Data* data) noexcept nogil:
    if data.n_outputs == 1:
        return whole_lanes(data.n_features)
    return (data.n_features + 1) * whole_lanes(data.n_outputs)


cdef inline bint allocate(Work* work, const Data* data, bint moments) noexcept nogil:
    # One piece of memory for all that a pass needs; False when there is none.
    cdef Py_ssize_t padded = whole_lanes(data.n_features), outputs = data.n_outputs
    cdef Py_ssize_t lanes, j
    work.moments = moments
    work.padded = padded
    work.max_rows = block_rows(data, moments)
    lanes = whole_lanes(work.max_rows)
    if outputs > 1:  # which would share sets of the cache
        lanes += LANES
    work.lanes = lanes
    work.copy_step = padded
    if data.n_features == 1 and outputs == 1:
        work.copy_step = 1
    if moments and padded % 64 == 0:  # rows 512 bytes apart share sets of the cache
        work.copy_step += LANES
    work.memory = <double*> calloc(
        2 * padded + coef_size(data) + outputs * padded + 2 * outputs * LANES
        + (3 * outputs + 1) * lanes + lanes * max(work.copy_step, LANES),
        sizeof(double),
    )
    if work.memory == NULL:
        return False
    work.n_rows = 0
    work.asked = data.order
    work.center = work.memory
    work.scale = work.center + padded
    work.coef = work.scale + padded
    work.gradient = work.coef + coef_size(data)
    work.loss_sum = work.gradient + outputs * padded
    work.slope_sum = work.loss_sum + outputs * LANES
    work.z = work.slope_sum + outputs * LANES
    work.slope = work.z + outputs * lanes
    work.y_memory = work.slope + outputs * lanes
    work.weight_memory = work.y_memory + outputs * lanes
    work.x_memory = work.weight_memory + lanes
    for j in range(data.n_features):
        if data.center != NULL:
            work.center[j] = data.center[j]
        work.scale[j] = 1.0 if data.center == NULL else data.scale[j]
    return True


cdef inline bint lanes_readable(
    const Data* data, Py_ssize_t start, const Work* work
) noexcept nogil:
    # Whether whole lanes can be read of the rows of a block: they may reach into the
    # next rows but not into what lies beside or behind X.
    cdef Py_ssize_t size = x_size(data)
    cdef Py_ssize_t row = data.n_features * size
    if data.n_features == 1:
        return False
    return work.padded == data.n_features or data.x_step == row and (
        (start + work.n_rows - 1) * row + work.padded * size <= data.n_rows * row
    )


cdef inline bint in_place(
    const Data* data, Py_ssize_t start, const Work* work
) noexcept nogil:
    # Whether the loops can read the rows of a block in X.
    cdef Py_ssize_t size = x_size(data)
    if data.center != NULL or work.moments or data.x_step % size != 0:
        return False
    if data.n_features == 1:
        return data.n_outputs == 1 and data.x_step == size and work.n_rows % LANES == 0
    if by_fours(data, work) and work.n_rows % 4 != 0:
        return False
    if data.n_outputs > 1 and (data.x_single or work.n_rows % LANES != 0):
        return False
    return lanes_readable(data, start, work)


cdef inline vec load_any(const x_value* source) noexcept nogil:
    if x_value is float:
        return load_single(source)
    else:
        return load(source)


cdef inline void copy_some(
    const x_value* x, int n_rows, Py_ssize_t whole, const Data* data, const Work* work,
    double* to,
) noexcept nogil:
    # Copy rows as doubles, centred and scaled; `whole` values are read as vectors. What
    # comes with these from behind a row becomes zero.
    cdef Py_ssize_t j = 0
    cdef int r
    cdef vec center, scale
    cdef const x_value* row
    while j + WIDTH <= whole:
        center = load(work.center + j)
        scale = load(work.scale + j)
        for r in range(n_rows):
            row = <const x_value*> (<const char*> x + r * data.x_step)
            store(to + r * work.copy_step + j, (load_any(row + j) - center) * scale)
        j += WIDTH
    while j < data.n_features:
        for r in range(n_rows):
            row = <const x_value*> (<const char*> x + r * data.x_step)
            to[r * work.copy_step + j] = (row[j] - work.center[j]) * work.scale[j]
        j += 1


cdef inline void copy_rows(
    const x_value* X, const Data* data, Py_ssize_t start, Work* work
) noexcept nogil:
    # Copy the rows of a block; zeros are behind each, and go behind the last one.
    cdef Py_ssize_t i = 0, whole = data.n_features
    cdef const char* row = <const char*> X
    cdef double* to = work.x_memory
    if lanes_readable(data, start, work):
        whole = work.padded
    if by_fours(data, work):
        while i + 4 <= work.n_rows:
            copy_some(<const x_value*> row, 4, whole, data, work, to)
            row += 4 * data.x_step
            to += 4 * work.copy_step
            i += 4
    while i < work.n_rows:
        copy_some(<const x_value*> row, 1, whole, data, work, to)
        row += data.x_step
        to += work.copy_step
        i += 1
    memset(to, 0, (whole_lanes(i) - i) * work.copy_step * sizeof(double))
    work.x = <const char*> work.x_memory
    work.step = work.copy_step
    work.single = False


cdef inline void ask_for_lines(const void* start, Py_ssize_t size) noexcept nogil:
    # Have memory that is not wanted yet brought to the second-level cache.
    cdef Py_ssize_t byte = 0
    while byte < size:
        prefetch_far(<const char*> start + byte)
        byte += LINE


cdef inline void ask_for_all(const void* start, Py_ssize_t size) noexcept nogil:
    # The same up to its last byte, which may be on a further line.
    ask_for_lines(start, size)
    prefetch_far(<const char*> start + size - 1)


cdef inline void ask_for(const Data* data, Py_ssize_t row) noexcept nogil:
    # Ask for a row that is far from the others.
    ask_for_all(
        data.X + row * data.x_step, min(data.n_features * x_size(data), AHEAD_ROW)
    )
    prefetch_far(data.y + row * data.y_step)
    if data.sample_weight != NULL:
        prefetch_far(data.sample_weight + row)


cdef inline void foresee(const Data* data, Work* work, Py_ssize_t n) noexcept nogil:
    # Ask for the next rows of an order, and before the first ones for those ahead.
    cdef const Py_ssize_t* end
    if work.asked <= data.order:
        work.asked = data.order
        n += max(1, AHEAD_BYTES // (data.n_features * x_size(data)))
    end = min(work.asked + n, data.order_end)
    while work.asked < end:
        ask_for(data, work.asked[0])
        work.asked += 1


cdef inline void copy_row(
    const x_value* row, const Data* data, const Work* work, double* to
) noexcept nogil:
    # Copy a row as doubles, centred and scaled where that is asked for.
    cdef Py_ssize_t j = 0
    cdef int k
    if data.center != NULL:
        copy_some(row, 1, data.n_features, data, work, to)
        return
    while j + LANES <= data.n_features:
        for k in range(PARTS):
            store(to + j + k * WIDTH, load_any(row + j + k * WIDTH))
        j += LANES
    while j < data.n_features:
        to[j] = row[j]
        j += 1


cdef inline void gather_rows(
    const x_value* X, const Data* data, Py_ssize_t start, Work* work
) noexcept nogil:
    # Copy the rows of a block from where they are; zeros follow as far as loops read.
    # That the middle of a row comes to the first level before its ends keeps the
    # processor from foreseeing rows behind it, which are not the next ones.
    cdef Py_ssize_t i, middle = data.n_features * sizeof(x_value) // 2
    cdef const Py_ssize_t* order = data.order + start
    cdef Py_ssize_t n_near = data.order_end - order - NEAR_ROWS
    cdef const char* first = <const char*> X
    cdef double* to = work.x_memory
    for i in range(work.n_rows):
        if i < n_near:
            prefetch(first + order[i + NEAR_ROWS] * data.x_step + middle)
        copy_row(<const x_value*> (first + order[i] * data.x_step), data, work, to)
        to += work.copy_step
    if by_fours(data, work) or data.n_features == 1:
        i = whole_lanes(work.n_rows) - work.n_rows
        memset(to, 0, i * work.copy_step * sizeof(double))
    work.x = <const char*> work.x_memory
    work.step = work.copy_step
    work.single = False


cdef inline void gather_column(
    const y_value* column, Py_ssize_t step, const Py_ssize_t* order, Py_ssize_t n,
    double* memory,
) noexcept nogil:
    # Values of the rows of a block as doubles, and zeros up to whole lanes.
    cdef Py_ssize_t i
    cdef const char* first = <const char*> column
    for i in range(n):
        memory[i] = (<const y_value*> (first + order[i] * step))[0]
    for i in range(n, whole_lanes(n)):
        memory[i] = 0.0


cdef inline void weigh_evenly(Work* work) noexcept nogil:
    # Rows that are not there weigh nothing.
    cdef Py_ssize_t i
    work.weight = NULL
    if work.n_rows % LANES != 0:
        for i in range(whole_lanes(work.n_rows)):
            work.weight_memory[i] = 1.0 if i < work.n_rows else 0.0
        work.weight = work.weight_memory


cdef inline void gather_targets(
    const Data* data, Py_ssize_t start, Work* work
) noexcept nogil:
    # The same for y and the weights.
    cdef const Py_ssize_t* order = data.order + start
    cdef Py_ssize_t n = work.n_rows
    if data.y_single:
        gather_column(
            <const float*> data.y, data.y_step, order, n, work.y_memory
        )
    else:
        gather_column(
            <const double*> data.y, data.y_step, order, n, work.y_memory
        )
    work.y = <const char*> work.y_memory
    work.y_single = False
    if data.sample_weight == NULL:
        weigh_evenly(work)
        return
    gather_column(data.sample_weight, sizeof(double), order, n, work.weight_memory)
    work.weight = work.weight_memory


cdef inline const double* load_column(
    const char* first, Py_ssize_t step, bint single, const Work* work, double* memory
) noexcept nogil:
    # Values of the rows of a block as doubles, and zeros up to whole lanes.
    cdef Py_ssize_t i
    for i in range(work.n_rows):
        if single:
            memory[i] = (<const float*> (first + i * step))[0]
        else:
            memory[i] = (<const double*> (first + i * step))[0]
    for i in range(work.n_rows, whole_lanes(work.n_rows)):
        memory[i] = 0.0
    return memory


cdef inline void load_targets(
    const Data* data, Py_ssize_t start, Work* work
) noexcept nogil:
    # Bring in y and the weights of the rows of a block, with zeros up to whole lanes.
    work.y = data.y + start * data.y_step
    work.y_single = data.y_single
    if work.n_rows % LANES != 0 or data.y_step != y_size(data):
        work.y_single = False
        work.y = <const char*> load_column(
            work.y, data.y_step, data.y_single, work, work.y_memory
        )
    if data.sample_weight != NULL:
        work.weight = data.sample_weight + start
        if work.n_rows % LANES != 0:
            work.weight = load_column(
                <const char*> work.weight, sizeof(double), False,
                work, work.weight_memory,
            )
    else:
        weigh_evenly(work)


cdef inline void spread_targets(
    const Data* data, Py_ssize_t start, const Work* work
) noexcept nogil:
    # Put the targets of a block output after output. What is left behind them from
    # other blocks weighs nothing.
    cdef Py_ssize_t i, k
    cdef const char* y
    cdef double value
    for i in range(work.n_rows):
        y = data.y + (start + i if data.order == NULL else data.order[start + i]) * (
            data.y_step
        )
        for k in range(data.n_outputs):
            if data.y_single:
                value = (<const float*> (y + k * data.target_step))[0]
            else:
                value = (<const double*> (y + k * data.target_step))[0]
            if data.classes:
                value = 1.0 if value == k else 0.0
            work.y_memory[k * work.lanes + i] = value


cdef inline void load_block(
    const Data* data, Py_ssize_t start, Work* work
) noexcept nogil:
    # Bring in the rows from `start` on: as many as a block holds.
    cdef const char* X = data.X + start * data.x_step
    work.n_rows = min(work.max_rows, data.n_rows - start)
    if data.order != NULL:
        foresee(data, work, work.n_rows // 2)
        if data.x_single:
            gather_rows(<const float*> data.X, data, start, work)
        else:
            gather_rows(<const double*> data.X, data, start, work)
        gather_targets(data, start, work)
        if data.n_outputs > 1:
            spread_targets(data, start, work)
        return
    if in_place(data, start, work):
        work.x = X
        work.step = data.x_step // x_size(data)
        work.single = data.x_single
    elif data.x_single:
        copy_rows(<const float*> X, data, start, work)
    else:
        copy_rows(<const double*> X, data, start, work)
    load_targets(data, start, work)
    if data.n_outputs > 1:
        spread_targets(data, start, work)
