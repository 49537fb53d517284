/* SPDX-License-Identifier: GPL-3.0-or-later
 * A model hub on loopback as far as pulling needs one: the API on one port of 127.0.0.1, the
 * storage behind signed addresses on another port of localhost, which is another origin. It
 * misbehaves as its knobs say, and counts what no client may do. */
#ifndef TESTS_MOCK_HUB_H
#define TESTS_MOCK_HUB_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define MOCK_COMMIT "0123456789abcdef0123456789abcdef01234567"
#define MOCK_REPO "acme/tiny-vision"

struct mock_file {
    char *name;
    size_t n;
    int is_large; /* behind the storage, named by SHA-256; else in git, named by its SHA-1 */
    uint8_t *bytes;
    char key[65];
};

struct mock_hub {
    struct mock_file *files;
    size_t n_files;
    struct loopback *hub, *storage;
    char endpoint[64];
    /* Knobs. Counts are used up one a request. */
    const char *token;         /* wanted by all requests to the hub; NULL: none */
    const char *refusal;       /* status line and headers of every answer of the API; NULL: none */
    atomic_int n_busy;         /* API answers 429 with a window of a second */
    atomic_int n_broken;       /* API answers 503 */
    atomic_int n_storage_busy; /* storage answers 503 */
    atomic_int n_moved;        /* storage redirects to another path of its own */
    atomic_int n_cut;          /* storage ends the connection within the body */
    atomic_int n_stalled;      /* storage falls silent within the body */
    atomic_int n_wrong_range;  /* storage sends another range than asked for */
    atomic_int n_excess;       /* storage sends more bytes than asked for */
    atomic_int n_damaged;      /* storage flips a bit in each */
    atomic_int signed_uses;    /* requests that one signed address is good for; 0: any number */
    atomic_int no_ranges;      /* storage sends whole files always */
    atomic_int is_huge;        /* the listing says that large files have 10^14 bytes */
    atomic_int no_commit;      /* no hub: X-Repo-Commit is missing */
    atomic_int renamed;        /* acme/old-name redirects */
    atomic_int slow_us;        /* between pieces of 64 kB */
    /* Counts */
    atomic_int n_requests;      /* to both */
    atomic_int n_leaks;         /* requests to the storage with an Authorization */
    atomic_int n_storage_heads; /* HEAD to a signed address */
    atomic_int n_unwanted;      /* requests for files that nobody needs */
    _Atomic int64_t n_sent;     /* body bytes of files */
    atomic_int next_signature, uses[4096];
};

/* The usual repository: weights in two files of large_bytes and large_bytes / 8 + 12345, JSON
 * files, and what must not be fetched. */
void mock_hub_start(struct mock_hub *m, size_t large_bytes);
/* The files of a model's folder instead. */
void mock_hub_start_folder(struct mock_hub *m, const char *folder);
void mock_hub_stop(struct mock_hub *m);
void mock_hub_calm(struct mock_hub *m); /* all knobs and counts to nothing */

#endif
