/* SPDX-License-Identifier: MIT
 * Checks of storing keys and values and of attention, for one level: *state is its table. */
#ifndef ATTEND_TEST_H
#define ATTEND_TEST_H

void attend_test_put(void **state);
void attend_test_put_run(void **state);
void attend_test_values(void **state);
void attend_test_bits(void **state);
void attend_test_spans(void **state);
void attend_test_neighbours(void **state);
void attend_test_extremes(void **state);

#endif
