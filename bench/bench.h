/* SPDX-License-Identifier: MIT
 * `phiscope bench`: speeds of a model as shares of what this machine can do at most, measured in
 * the same run. Its JSON is one object:
 *   {"limits": {"read_gbs", "f32_gflops", "bf16_gflops", "int8_gops"}, "cpu", "threads",
 *    "cases": [{"case", "dtype", "n", "ctx", "tok_s" or "s", "bytes" or "flops", "limit", "share",
 *               "read_gbs_before", "read_gbs_after"}]}
 * n: tokens of tg and pp, crops of vision, turn and edit. bytes and flops are those of the whole
 * case, counted from the model's shapes; share = their rate / the limit that is named, for reading
 * the mean of the probes before and behind the case, because bandwidth moves with what else runs.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

/* argv[0] is the verb. model: what -m would say when it is not given; models_dirs: where short
 * names are looked for (phi3v_model_find). Results to stdout, progress and mistakes to stderr.
 * Returns an exit status: 0 fine, 1 a case failed, 2 usage, 3 no model. */
int bench_main(int argc, char **argv, const char *model, const char *const *models_dirs);

#endif
