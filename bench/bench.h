/* SPDX-License-Identifier: MIT
 * `phiscope bench`: a model's speeds as shares of this machine's limits. The limits are probed
 * before and after every sample (not for a GPU), because they change with the machine's other load;
 * a sample whose two probes differ by more than a tenth does not count unless all do. Figures are
 * medians. Its JSON is one object:
 *   {"limits": {"read_gbs", "f32_gflops", "bf16_gflops", "int8_gops"}, "cpu", "threads",
 *    "device",
 *    "cases": [{"case", "dtype", "kv", "n", "ctx", "tok_s" or "s", "bytes" or "flops", "limit",
 * "share", "read_gbs_before", "read_gbs_after", "mode", "samples": [{"s", "before": limits,
 * "after": limits, "counts"}], "compared": {"speed", "share", "slower"} with --compare}],
 *    "interrupted": true after Ctrl-C}
 * n: tokens for tg, pp and start, crops for the others; turn and edit also have "tokens", of the
 * question after the picture. bytes and flops are those of one sample, counted from the model's
 * shapes. share: the least time that the named limits allow, divided by the time it took. The limit
 * for reading is the mean of the probes around the sample, that for arithmetic the best peak of the
 * run. It is null when the limit is unknown, as for a GPU, or "cache", which means that the data
 * fits the last-level cache. mode: "low" or "high" when bandwidth has two modes, else "steady". For
 * memory, bytes are resident and share is relative to file_bytes + kv_bytes. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

/* argv[0] is the verb. model is the default for -m; models_dirs is where short names are looked up
 * (phi3v_model_find). Results go to stdout, progress and errors to stderr. Returns an exit status:
 * 0 fine, 1 a case failed or is slower than the run it is compared with, 2 usage, 3 no model, 130
 * interrupted. */
int bench_main(int argc, char **argv, const char *model, const char *const *models_dirs);

/* Its options, for the manual page and completions. */
struct bench_option {
    const char *name;
    char letter;      /* 0: none */
    const char *arg;  /* NULL: takes no value */
    const char *help; /* one or more lines */
};
extern const struct bench_option bench_options[];
extern const int n_bench_options;

#endif
