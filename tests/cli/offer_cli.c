/* SPDX-License-Identifier: GPL-3.0-or-later
 * A model that is named but not here is offered at a terminal, with its size; nowhere else. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drive.h"
#include "golden.h"
#include "mock_hub.h"

static struct mock_hub hub;
static char endpoint[100], cache[300];

static struct pty *start(const char *more)
{
    const char *const env[] = {endpoint, cache, NULL};
    const struct pty_options how = {.env = env};
    return pty_start_with((const char *const[]){"-m", MOCK_REPO, "--num-crops", "1",
                                                "--max-new-tokens", "4", more, NULL},
                          &how);
}

static void offers(void)
{
    struct pty *p = start(NULL);
    tap_ok(pty_expect(p, MOCK_REPO " is not here. Fetch it, ") &&
               pty_expect(p, "B, from http://") && pty_expect(p, "? [y/N] "),
           "the size and the place are named");
    pty_type(p, "n\r");
    tap_ok(pty_expect(p, "phiscope: ") && pty_end(p) == 3, "no: as if there were no offer");
    p = start(NULL);
    pty_expect(p, "? [y/N] ");
    pty_type(p, "\003");
    tap_ok(pty_end(p) == 3, "Ctrl-C is no");
    tap_ok(hub.n_sent == 0, "and nothing was fetched");
    p = start("--offline");
    tap_ok(!pty_came(p, "[y/N]") && pty_end(p) == 3, "no offer with --offline");
    p = start(NULL);
    pty_expect(p, "? [y/N] ");
    pty_type(p, "y\r");
    tap_ok(pty_expect(p, "In [1]:"), "yes: it is fetched and opened");
    pty_type(p, "Hello\r");
    tap_ok(pty_expect(p, "Out[1]:") && pty_expect(p, "In [2]:"), "and answers");
    pty_type(p, ":q\r");
    pty_end(p);
    p = start(NULL);
    tap_ok(pty_expect(p, "In [1]:"), "the next time it is here");
    pty_type(p, ":q\r");
    pty_end(p);
}

/* Through pipes nobody is there to be asked. */
static void is_silent(void)
{
    setenv("HF_ENDPOINT", hub.endpoint, 1);
    int before = hub.n_requests;
    const struct run *r = DRIVE("", "ask", "-m", "acme/other-model", "x");
    tap_ok(r->status == 3 && !strstr(r->err, "[y/N]") && hub.n_requests == before,
           "a pipe is not asked");
}

int main(int argc, char **argv)
{
    drive_init(argc, argv);
    mock_hub_start_folder(&hub, drive_golden("models/tiny-gqa-bf16"));
    snprintf(endpoint, sizeof endpoint, "HF_ENDPOINT=%s", hub.endpoint);
    snprintf(cache, sizeof cache, "HF_HOME=%s", drive_file("hf"));
    offers();
    is_silent();
    mock_hub_stop(&hub);
    return drive_done();
}
