/* SPDX-License-Identifier: MIT
 * `phiscope bench`: speeds of a model as shares of what this machine can do at most. The limits are
 * measured before and after every sample, because they move with what else the machine does (not
 * for a card); a sample whose two probes differ by more than a tenth does not count while others
 * do. Figures are medians. Its JSON is one object:
 *   {"limits": {"read_gbs", "f32_gflops", "bf16_gflops", "int8_gops"}, "cpu", "threads",
 *    "device",
 *    "cases": [{"case", "dtype", "kv", "n", "ctx", "tok_s" or "s", "bytes" or "flops", "limit",
 * "share", "read_gbs_before", "read_gbs_after", "mode", "samples": [{"s", "before": limits,
 * "after": limits, "counts"}], "compared": {"speed", "share", "slower"} with --compare}],
 *    "interrupted": true after Ctrl-C}
 * n: tokens of tg, pp and start, crops of the rest; turn and edit have "tokens", of the question
 * behind the picture. bytes and flops are those of one sample,
 * counted from the model's shapes. share: the time that the limits named allow for them / the time
 * it took, for reading the mean of the probes around the sample, for arithmetic the
 * best peak that the run saw; null where the limit is not known, as a card's, or is "cache": what
 * is read lies in the last-level cache. mode: "low" or "high" where bandwidth has two modes, else
 * "steady". memory: bytes are resident, share is over file_bytes + kv_bytes.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

/* argv[0] is the verb. model: what -m would say when it is not given; models_dirs: where short
 * names are looked for (phi3v_model_find). Results to stdout, progress and mistakes to stderr.
 * Returns an exit status: 0 fine, 1 a case failed or
 * is slower than the run it is compared to, 2 usage, 3 no model, 130 interrupted. */
int bench_main(int argc, char **argv, const char *model, const char *const *models_dirs);

/* Its options, for whoever describes them. */
struct bench_option {
    const char *name;
    char letter;      /* 0: none */
    const char *arg;  /* NULL: takes none */
    const char *help; /* lines behind the first go on with the same */
};
extern const struct bench_option bench_options[];
extern const int n_bench_options;

#endif
