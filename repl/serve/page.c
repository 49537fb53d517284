/* SPDX-License-Identifier: GPL-3.0-or-later
 * / : a page for asking questions. Its content security policy lets it run only its own script and
 * style, identified by digest, and connect only to this server. */
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "common/must.h"
#include "serve/page.h"
#include "serve/server.h"

/* Adds 'sha256-…' of the text between <tag> and </tag>, as the policy names it. */
static void add_digest(struct text *to, const char *begin, const char *end)
{
    unsigned char digest[32];
    char base64[48];
    const char *from = strstr(serve_page, begin) + strlen(begin);
    size_t n = (size_t)(strstr(from, end) - from);
    if (!EVP_Digest(from, n, digest, NULL, EVP_sha256(), NULL)) must(NULL);
    EVP_EncodeBlock((unsigned char *)base64, digest, sizeof digest);
    text_addf(to, "'sha256-%s'", base64);
}

static char *policy(void)
{
    struct text t = {0};
    text_add(&t, "default-src 'none'; script-src ");
    add_digest(&t, "<script>", "</script>");
    text_add(&t, "; style-src ");
    add_digest(&t, "<style>", "</style>");
    text_add(&t, "; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
                 "frame-ancestors 'none'");
    return xtake(&t);
}

enum MHD_Result page_answer(struct call *c)
{
    char *allowed = policy();
    struct MHD_Response *r = must(MHD_create_response_from_buffer(
        strlen(serve_page), (void *)(uintptr_t)serve_page, MHD_RESPMEM_PERSISTENT));
    MHD_add_response_header(r, "Content-Type", "text/html; charset=utf-8");
    MHD_add_response_header(r, "Content-Security-Policy", allowed);
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(r, "Referrer-Policy", "no-referrer");
    MHD_add_response_header(r, "Cache-Control", "no-cache");
    free(allowed);
    return call_queue(c, 200, r);
}
