/* SPDX-License-Identifier: GPL-3.0-or-later
 * Commands by name, prefix and habit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "notebook/commands.h"

static void found_by_prefix(void **state)
{
    (void)state;
    struct phi3v_error err;
    assert_string_equal(command_find("load", &err)->name, "load");
    assert_string_equal(command_find("l", &err)->name, "load");
    assert_string_equal(command_find("hi", &err)->name, "history");
    assert_string_equal(command_find("run", &err)->name, "run");
    assert_null(command_find("s", &err));
    assert_string_equal(err.text, ":s can mean :show, :say, :stats, :set, :system, :save, :source");
    assert_null(command_find("", &err));
}

static void every_name_finds_itself(void **state)
{
    (void)state;
    struct phi3v_error err;
    for (int i = 0; i < n_commands; i++) {
        assert_ptr_equal(command_find(command_table[i].name, &err), &command_table[i]);
        char *help = help_text(command_table[i].name);
        assert_non_null(strstr(help, command_table[i].help));
        assert_non_null(strstr(help, "e.g. :"));
        free(help);
    }
}

static void unknown_names_the_nearest(void **state)
{
    (void)state;
    struct phi3v_error err;
    assert_null(command_find("laod", &err));
    assert_string_equal(err.text, "unknown command :laod: did you mean :load?");
    assert_null(command_find("frobnicate", &err));
    assert_string_equal(err.text, "unknown command :frobnicate: :help lists them");
    assert_null(help_text("frobnicate"));
}

static void habits(void **state)
{
    (void)state;
    assert_string_equal(foreign_habit("/image a.png"), ":load FILE");
    assert_string_equal(foreign_habit("/clear"), ":reset");
    assert_string_equal(foreign_habit("%edit 3"), ":edit n");
    assert_string_equal(foreign_habit("help "), ":help");
    assert_null(foreign_habit("exit strategies of banks?"));
    assert_null(foreign_habit("/etc/passwd is what?"));
    assert_null(foreign_habit("%d means?"));
    assert_null(foreign_habit("what is this?"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found_by_prefix), cmocka_unit_test(every_name_finds_itself),
        cmocka_unit_test(unknown_names_the_nearest), cmocka_unit_test(habits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
