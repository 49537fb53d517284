/* SPDX-License-Identifier: MIT */
/* Crops to patches, patches to the tokens of the tower, tokens to the rows of the projector. */
#include "kernel_checks.h"
#include "rows.h"

namespace kernel_tests
{

void test_pictures()
{
    const int n = 2, side = 20, patch = 5, per_side = 4, n_patches = 16, c = 6,
              columns = 3 * patch * patch, grid = 2;
    int64_t ld = pad_row(columns), merged_ld = pad_row(4 * c);
    vector<float> crops = random_floats((size_t)n * 3 * side * side),
                  embedded = random_floats((size_t)n * n_patches * c);
    vector<float> cls = random_floats((size_t)c),
                  places = random_floats((size_t)(1 + n_patches) * c);
    vector<float> sub = random_floats((size_t)4 * c), glb = random_floats((size_t)4 * c);
    on_gpu<float> dcrops(crops), demb(embedded), dcls(cls), dplaces(places), dsub(sub), dglb(glb);
    on_gpu<float> x(vector<float>((size_t)(n * (1 + n_patches) * c), NAN));
    on_gpu<struct bf16> rows(vector<struct bf16>((size_t)(n * n_patches * ld), {0}));
    patches_launch(&gpu_queue, rows.data, ld, dcrops.data, n, side, patch);
    tokens_launch(&gpu_queue, x.data, demb.data, dcls.data, dplaces.data, n, n_patches, c);
    vector<double> want((size_t)(n * n_patches * ld)), want_x, want_merged;
    for (int i = 0; i < n; i++)
        for (int p = 0; p < n_patches; p++)
            for (int ch = 0; ch < 3; ch++)
                for (int y = 0; y < patch; y++)
                    for (int z = 0; z < patch; z++)
                        want[(size_t)((i * n_patches + p) * ld + (ch * patch + y) * patch + z)] =
                            crops[(size_t)(((i * 3 + ch) * side + p / per_side * patch + y) * side +
                                           p % per_side * patch + z)];
    for (int i = 0; i < n; i++)
        for (int t = 0; t <= n_patches; t++)
            for (int e = 0; e < c; e++)
                want_x.push_back(
                    (t ? embedded[(size_t)((i * n_patches + t - 1) * c + e)] : cls[(size_t)e]) +
                    places[(size_t)(t * c + e)]);
    compare("patches", rows.read(), want, ROUNDED);
    compare("tokens", x.read(), want_x, EXACT);

    vector<int> sources = {3, MERGE_SUB_GN, 4, MERGE_GLB_GN, 0};
    on_gpu<int> dsources(sources);
    on_gpu<struct bf16> y(vector<struct bf16>((size_t)(5 * merged_ld), {0}));
    struct merge m = {x.data, dsub.data, dglb.data, dsources.data, y.data, merged_ld, 5, grid, c};
    merge_launch(&gpu_queue, &m);
    for (int s : sources)
        for (int i = 0; i < merged_ld; i++) {
            int quarter = i / c, cell = s % (grid * grid);
            int row = 2 * (cell / grid) + quarter / 2, col = 2 * (cell % grid) + quarter % 2;
            size_t token = (size_t)(s / (grid * grid) * (1 + n_patches) + 1 + row * 2 * grid + col);
            if (i >= 4 * c)
                want_merged.push_back(0);
            else if (s < 0)
                want_merged.push_back(s == MERGE_SUB_GN ? sub[(size_t)i] : glb[(size_t)i]);
            else
                want_merged.push_back(want_x[token * (size_t)c + (size_t)(i % c)]);
        }
    compare("merge", y.read(), want_merged, ROUNDED);
}

} // namespace kernel_tests
