/* SPDX-License-Identifier: MIT */
/* The likeliest token. */
#include "kernel_checks.h"
#include "sample.h"

namespace kernel_tests
{
namespace
{

void test_argmax_of(const char *name, const vector<float> &logits, int want)
{
    on_card<float> dlogits(logits);
    on_card<struct row_source> next({{nullptr, 5, 9}});
    on_card<int> ids({-7, -7, -7, -7});
    argmax_launch(&card_queue, dlogits.data, (int)logits.size(), next.data, ids.data, 4);
    vector<int> got = ids.read();
    struct row_source after = next.read()[0];
    bool ok = got[9 % 4] == want && got[0] == -7 && after.id == want && after.pos == 10;
    verdict(ok, name, got[9 % 4], want);
}

} // namespace

void test_argmax()
{
    vector<float> logits = random_floats(32064);
    logits[31999] = 3;
    test_argmax_of("argmax", logits, 31999);
    logits[1025] = logits[2] = 3;
    test_argmax_of("argmax: the lowest of equals", logits, 2);
    logits[777] = NAN;
    test_argmax_of("argmax: not a number", logits, -1);
    test_argmax_of("argmax: of minus infinity", vector<float>(5, -INFINITY), -1);
    test_argmax_of("argmax: infinite", {1, INFINITY, 2}, -1);
    test_argmax_of("argmax: of one", {-3}, 0);
}

} // namespace kernel_tests
