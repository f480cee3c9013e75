"""The source, in CUDA C, of the cycle of the learned multigrid; `cupy_multigrid` launches it.

It wants T, DIMENSIONS and the sides of a tile, PLANES, ROWS and COLUMNS, to be defined. Squares are
cubes of one plane, which no coefficients and no interpolation cross.
"""

SOURCE = r"""
#define HALO (DIMENSIONS == 3)  // planes beside a tile
#define ONE_BLOCK 512
// What describes A on a grid: D^-1/2, D, and coefficients of inner faces, where they are not all 1.
#define OPERATOR const T *root, const T *diagonal, const int weighted, const T *across_planes, \
    const T *across_rows, const T *along_rows, const int planes, const int rows, const int columns
#define STENCIL const T centre, const T face, const T edge, const T corner

// The residual r - A u in a cell, zero in solids. The arrays r and u are those of one grid.
static __device__ T residual(
    const T *r, const T *u, const int p, const int i, const int j, OPERATOR)
{
    const long long size = (long long)rows * columns;
    const long long line = (long long)p * rows + i, cell = line * columns + j;
    if (!(diagonal[cell] > 0)) return 0;
    T sum = 0;
    if (weighted) {
        const T *side = along_rows + line * (columns - 1) + j;
        if (j > 0) sum += side[-1] * u[cell - 1];
        if (j < columns - 1) sum += side[0] * u[cell + 1];
        const T *above = across_rows + ((long long)p * (rows - 1) + i) * columns + j;
        if (i > 0) sum += above[-columns] * u[cell - columns];
        if (i < rows - 1) sum += above[0] * u[cell + columns];
        if (p > 0) sum += across_planes[cell - size] * u[cell - size];
        if (p < planes - 1) sum += across_planes[cell] * u[cell + size];
    } else {
        if (j > 0) sum += u[cell - 1];
        if (j < columns - 1) sum += u[cell + 1];
        if (i > 0) sum += u[cell - columns];
        if (i < rows - 1) sum += u[cell + columns];
        if (p > 0) sum += u[cell - size];
        if (p < planes - 1) sum += u[cell + size];
    }
    return r[cell] - diagonal[cell] * u[cell] + sum;
}

static __device__ T weight(const int differing, STENCIL)
{
    return differing == 0 ? centre : differing == 1 ? face : differing == 2 ? edge : corner;
}

// out = u + D^-1/2 K D^-1/2 (r - A u), a block of threads for each tile; u = 0 unless given.
// D^-1/2 (r - A u) of the tile and the cells around it stands in shared memory.
extern "C" __global__ void smooth(
    const T *r, const T *u, const int given, T *out, OPERATOR, STENCIL)
{
    __shared__ T t[PLANES + 2 * HALO][ROWS + 2][COLUMNS + 2];
    const int tiles_across = (columns + COLUMNS - 1) / COLUMNS;
    const int tiles_down = (rows + ROWS - 1) / ROWS;
    const int tiles = tiles_across * tiles_down * ((planes + PLANES - 1) / PLANES);
    const int tile = blockIdx.x % tiles;
    const long long start = (long long)(blockIdx.x / tiles) * planes * rows * columns;
    const int j0 = tile % tiles_across * COLUMNS;
    const int i0 = tile / tiles_across % tiles_down * ROWS;
    const int p0 = tile / tiles_across / tiles_down * PLANES;
    r += start, u += start, out += start;
    const int around = (PLANES + 2 * HALO) * (ROWS + 2) * (COLUMNS + 2);
    for (int k = threadIdx.x; k < around; k += PLANES * ROWS * COLUMNS) {
        const int b = k / (COLUMNS + 2) % (ROWS + 2), c = k % (COLUMNS + 2);
        const int a = k / (COLUMNS + 2) / (ROWS + 2);
        const int p = p0 + a - HALO, i = i0 + b - 1, j = j0 + c - 1;
        T value = 0;
        if (p >= 0 && p < planes && i >= 0 && i < rows && j >= 0 && j < columns) {
            const long long cell = ((long long)p * rows + i) * columns + j;
            if (given) {
                value = root[cell] * residual(r, u, p, i, j, root, diagonal, weighted,
                    across_planes, across_rows, along_rows, planes, rows, columns);
            } else if (diagonal[cell] > 0) {
                value = root[cell] * r[cell];
            }
        }
        t[a][b][c] = value;
    }
    __syncthreads();
    const int c = threadIdx.x % COLUMNS, b = threadIdx.x / COLUMNS % ROWS;
    const int a = threadIdx.x / COLUMNS / ROWS;
    const int p = p0 + a, i = i0 + b, j = j0 + c;
    if (p >= planes || i >= rows || j >= columns) return;
    T sum = 0;
    for (int x = -HALO; x <= HALO; x++)
        for (int y = -1; y <= 1; y++)
            for (int z = -1; z <= 1; z++)
                sum += weight(x * x + y * y + z * z, centre, face, edge, corner)
                    * t[a + HALO + x][b + 1 + y][c + 1 + z];
    const long long cell = ((long long)p * rows + i) * columns + j;
    out[cell] = (given ? u[cell] : (T)0) + root[cell] * sum;
}

// What fine cell x takes from coarse cell c of m along an axis; low and high are the pulls through
// the faces of c. A fine cell beyond the last pair goes on from it in a straight line.
static __device__ T share(
    const int c, const int x, const int m, const T low, const T high, const T own)
{
    if (x == 2 * c - 1) return low;
    if (x == 2 * c) return own - low;
    if (x == 2 * c + 1) return own - high;
    return x == 2 * m ? own - 3 * high : high;
}

static __device__ int parent(const int x, const int m)
{
    return x / 2 < m ? x / 2 : m - 1;
}

// The products of shares along the axes, in the order of the interpolation: planes, rows, columns.
static __device__ T share_of_plane(const int p, const int x, const int i, const int j,
    const T *pull, const int m, const int rows, const int columns, const T own)
{
    if (DIMENSIONS == 2) return 1;
    const long long at = ((long long)p * rows + i) * columns + j;
    return share(p, x, m, pull[at], pull[at + (long long)rows * columns], own);
}

static __device__ T share_of_row(const int p, const int i, const int y, const int j,
    const T *pull, const int m, const int columns, const T own)
{
    const long long at = ((long long)p * (m + 1) + i) * columns + j;
    return share(i, y, m, pull[at], pull[at + columns], own);
}

static __device__ T share_of_column(const int p, const int i, const int j, const int z,
    const T *pull, const int rows, const int m, const T own)
{
    const T *at = pull + ((long long)p * rows + i) * (m + 1) + j;
    return share(j, z, m, at[0], at[1], own);
}

// out = half P^T (r - A u), a thread for each coarse cell; m0, m1, m2: sides of the coarse grid.
extern "C" __global__ void restrict_residual(
    const T *r, const T *u, OPERATOR, T *out, const T *coarse_diagonal, const int m0, const int m1,
    const int m2, const T *pull_planes, const T *pull_rows, const T *pull_columns, const T own,
    const T half, const long long total)
{
    const long long at = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= total) return;
    const long long cells = (long long)m0 * m1 * m2, cell = at % cells;
    const long long start = at / cells * planes * rows * columns;
    r += start, u += start;
    const int j = cell % m2, i = cell / m2 % m1, p = cell / m2 / m1;
    T sum = 0;
    if (coarse_diagonal[cell] > 0) {
        const int first = DIMENSIONS == 3 ? 2 * p - 1 : 0, last = DIMENSIONS == 3 ? 2 * p + 2 : 0;
        for (int x = first; x <= last; x++) {
            if (x < 0 || x >= planes) continue;
            const T by_plane = share_of_plane(p, x, i, j, pull_planes, m0, m1, m2, own);
            const int above = DIMENSIONS == 3 ? parent(x, m0) : 0;
            for (int y = 2 * i - 1; y <= 2 * i + 2; y++) {
                if (y < 0 || y >= rows) continue;
                const T by_row = by_plane * share_of_row(above, i, y, j, pull_rows, m1, m2, own);
                for (int z = 2 * j - 1; z <= 2 * j + 2; z++) {
                    if (z < 0 || z >= columns) continue;
                    sum += by_row
                        * share_of_column(above, parent(y, m1), j, z, pull_columns, m1, m2, own)
                        * residual(r, u, x, y, z, root, diagonal, weighted, across_planes,
                            across_rows, along_rows, planes, rows, columns);
                }
            }
        }
    }
    out[at] = half * sum;
}

// u += factor P e outside solids, a thread for each fine cell.
extern "C" __global__ void correct(
    T *u, const T *diagonal, const int planes, const int rows, const int columns, const T *e,
    const int m0, const int m1, const int m2, const T *pull_planes, const T *pull_rows,
    const T *pull_columns, const T own, const T factor, const long long total)
{
    const long long at = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= total) return;
    const long long cells = (long long)planes * rows * columns, cell = at % cells;
    if (!(diagonal[cell] > 0)) return;
    e += at / cells * m0 * m1 * m2;
    const int z = cell % columns, y = cell / columns % rows, x = cell / columns / rows;
    const int p = DIMENSIONS == 3 ? parent(x, m0) : 0, i = parent(y, m1), j = parent(z, m2);
    // The coarse cell that it lies in, and the nearer neighbour of that.
    T sum = 0;
    for (int a = 0; a <= HALO; a++) {
        const int pp = a ? p + (x % 2 ? 1 : -1) : p;
        if (pp < 0 || pp >= m0 || (a && x == 2 * m0)) continue;
        for (int b = 0; b <= 1; b++) {
            const int ii = b ? i + (y % 2 ? 1 : -1) : i;
            if (ii < 0 || ii >= m1 || (b && y == 2 * m1)) continue;
            for (int c = 0; c <= 1; c++) {
                const int jj = c ? j + (z % 2 ? 1 : -1) : j;
                if (jj < 0 || jj >= m2 || (c && z == 2 * m2)) continue;
                sum += share_of_plane(pp, x, ii, jj, pull_planes, m0, m1, m2, own)
                    * share_of_row(p, ii, y, jj, pull_rows, m1, m2, own)
                    * share_of_column(p, i, jj, z, pull_columns, m1, m2, own)
                    * e[((long long)pp * m1 + ii) * m2 + jj];
            }
        }
    }
    u[at] += factor * sum;
}

// What smoothing steps make of zero on a grid of at most ONE_BLOCK cells, a block for each grid.
extern "C" __global__ void solve(const T *r, T *out, OPERATOR, STENCIL, const int sweeps)
{
    __shared__ T t[ONE_BLOCK], u[ONE_BLOCK];
    const int cells = planes * rows * columns, cell = threadIdx.x;
    const int j = cell % columns, i = cell / columns % rows, p = cell / columns / rows;
    r += (long long)blockIdx.x * cells;
    if (cell < cells) u[cell] = 0;
    __syncthreads();
    for (int sweep = 0; sweep < sweeps; sweep++) {
        if (cell < cells) t[cell] = root[cell] * residual(r, u, p, i, j, root, diagonal, weighted,
            across_planes, across_rows, along_rows, planes, rows, columns);
        __syncthreads();
        if (cell < cells) {
            T sum = 0;
            for (int x = -HALO; x <= HALO; x++)
                for (int y = -1; y <= 1; y++)
                    for (int z = -1; z <= 1; z++)
                        if (p + x >= 0 && p + x < planes && i + y >= 0 && i + y < rows && j + z >= 0
                            && j + z < columns)
                            sum += weight(x * x + y * y + z * z, centre, face, edge, corner)
                                * t[cell + (x * rows + y) * columns + z];
            u[cell] += root[cell] * sum;
        }
        __syncthreads();
    }
    if (cell < cells) out[(long long)blockIdx.x * cells + cell] = u[cell];
}
"""
