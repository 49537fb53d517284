/* SPDX-License-Identifier: GPL-3.0-or-later
 * repl/net: addresses as text: how they are spelled for a server, what of them is shown and stored,
 * which proxy they take; and the first frame of a camera's stream. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "folder.h"
#include "net/multipart.h"
#include "net/proxy.h"
#include "net/url.h"

/* -- Spelling --------------------------------------------------------------------------------- */

static void test_spelling(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"http://h/a.png", "http://h/a.png"},
        {"HTTPS://H/A.png?x=1#part", "HTTPS://H/A.png?x=1"},
        {" \t<https://h/a>\n", "https://h/a"},
        {"http://h/it's a cat.png", "http://h/it's%20a%20cat.png"},
        {"http://h/a\n  b", "http://h/a%20%20b"},
        {"http://h/\"q\"<>`^{|}", "http://h/%22q%22%3C%3E%60%5E%7B%7C%7D"},
        {"http://h/%41%zz?a[]=1&b=c+d", "http://h/%41%zz?a[]=1&b=c+d"},
        {"http://h/\u00e4?\u4f60", "http://h/%C3%A4?%E4%BD%A0"},
        {"http://b\u00fccher.example/", "http://b\u00fccher.example/"},
        {"http://h?a b", "http://h?a%20b"},
        {"http://h /x", "http://h%20/x"},
        {"www.example.org/a.png", "https://www.example.org/a.png"},
        {"<www.example.org/a b>", "https://www.example.org/a%20b"},
        {"WWW.example.org", "https://WWW.example.org"},
        {"www.png", NULL},
        {"www./x", NULL},
        {"wwwx.example.org", NULL},
        {"ftp://h/a", NULL},
        {"data:,x", NULL},
        {"a.png", NULL},
        {"", NULL},
        {"<", NULL},
        {"<>", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *url = url_spell(cases[i][0]);
        if (cases[i][1] ? !url || strcmp(url, cases[i][1]) : url != NULL)
            fail_msg("%s: %s", cases[i][0], url ? url : "NULL");
        free(url);
    }
}

static void test_file_named_www(void **state)
{
    (void)state;
    struct folder f;
    folder_make(&f);
    folder_puts(&f, "www.example.org.png", "");
    char *old = getcwd(NULL, 0);
    assert_int_equal(chdir(f.path), 0);
    assert_null(url_spell("www.example.org.png"));
    assert_int_equal(chdir(old), 0);
    folder_remove(&f);
    free(old);
}

/* -- Secrets ---------------------------------------------------------------------------------- */

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define LONG_ID "AbCdEf0123GhIjKl4567MnOpQr89StUvWxYz0123AbCd"

/* Address, and what of it is kept; NULL: all. */
static const char *const secrets[][2] = {
    /* users and passwords */
    {"http://u:p@h/a", "http://***@h/a"},
    {"http://u@h/a", "http://***@h/a"},
    {"http://ghp_abc:x-oauth-basic@h:8080/a?x=1", "http://***@h:8080/a?x=1"},
    {"https://u:p%40q@h/", "https://***@h/"},
    {"https://u:p@q@h/", "https://***@h/"},
    {"https://u:pa/ss@h/x", "https://***@h/x"},
    {"https://u:pa?ss@h/x", "https://***@h/x"},
    {"http://u:p@[::1]:80/a", "http://***@[::1]:80/a"},
    {"ftp://u:p@h/a", "ftp://***@h/a"},
    {"socks5://u:p@h", "socks5://***@h"},
    {"<http://u:p@h/a>", "<http://***@h/a>"},
    {"http://u:p@exa mple/a", "http://***@exa mple/a"},
    {"www.h.org/?token=abc", "www.h.org/?token=***"},
    /* signed addresses of the usual storages */
    {"https://b.s3.amazonaws.com/k.png?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2F2026"
     "&X-Amz-Date=20261129T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host"
     "&X-Amz-Security-Token=tok&X-Amz-Signature=" HEX64,
     "https://b.s3.amazonaws.com/k.png?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=***"
     "&X-Amz-Date=20261129T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host"
     "&X-Amz-Security-Token=***&X-Amz-Signature=***"},
    {"https://b/k?AWSAccessKeyId=AKIA&Signature=a%2Bb%3D&Expires=1900000000",
     "https://b/k?AWSAccessKeyId=***&Signature=***&Expires=1900000000"},
    {"https://s.googleapis.com/k?X-Goog-Credential=me&X-Goog-Signature=0a0b&X-Goog-Expires=9",
     "https://s.googleapis.com/k?X-Goog-Credential=***&X-Goog-Signature=***&X-Goog-Expires=9"},
    {"https://a.blob.core.windows.net/c/k?sv=2024-01-01&se=2026-12-01&sp=r&sig=ab%2Fc%3D",
     "https://a.blob.core.windows.net/c/k?sv=2024-01-01&se=2026-12-01&sp=r&sig=***"},
    {"https://d.cloudfront.net/k?Policy=eyJTdGF0ZW1lbnQi&Signature=x&Key-Pair-Id=APKA",
     "https://d.cloudfront.net/k?Policy=***&Signature=***&Key-Pair-Id=***"},
    {"https://cdn/a.png?ex=65d903de&is=65c68ede&hm=" HEX64, "https://cdn/a.png?ex=65d903de&is="
                                                            "65c68ede&hm=***"},
    {"https://cdn/a.png?md5=Ab0Cd1Ef2Gh3Ij4Kl5Mn6O&expires=1900000000",
     "https://cdn/a.png?md5=***&expires=1900000000"},
    {"https://cdn/a.png?q=Ab0Cd1Ef2Gh3Ij4Kl5Mn6O&expires=1900000000",
     "https://cdn/a.png?q=***&expires=1900000000"},
    {"https://cdn/a.png?hdnts=exp=1~acl=/*~hmac=ab", "https://cdn/a.png?hdnts=***"},
    /* tokens and keys by many names */
    {"https://h/a?token=abc", "https://h/a?token=***"},
    {"https://h/a?x=1&access_token=abc&y=2", "https://h/a?x=1&access_token=***&y=2"},
    {"https://h/a?accessToken=abc", "https://h/a?accessToken=***"},
    {"https://h/a?api_key=abc;b=2", "https://h/a?api_key=***;b=2"},
    {"https://h/a?api-key=abc", "https://h/a?api-key=***"},
    {"https://h/a?APIKEY=abc", "https://h/a?APIKEY=***"},
    {"https://h/a?key=abc", "https://h/a?key=***"},
    {"https://h/a?subscription-key=abc", "https://h/a?subscription-key=***"},
    {"https://h/a?client_secret=abc&pwd=x&password=y&pass=z",
     "https://h/a?client_secret=***&pwd=***&password=***&pass=***"},
    {"https://h/a?auth=abc&authorization=x", "https://h/a?auth=***&authorization=***"},
    {"https://h/a?%74oken=abc", "https://h/a?%74oken=***"},
    {"https://h/a?user[token]=abc", "https://h/a?user[token]=***"},
    {"https://h/a?jwt=a.b.c", "https://h/a?jwt=***"},
    {"https://h/a?x=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmN",
     "https://h/a?x=***"},
    {"https://h/a?x=" LONG_ID, "https://h/a?x=***"},
    {"https://h/a?x=" HEX64, "https://h/a?x=***"},
    {"https://h/a?session=0123456789abcdef", "https://h/a?session=***"},
    {"https://h/a;jsessionid=0A1B?x=1", "https://h/a;jsessionid=***?x=1"},
    {"https://h/a#access_token=abc", "https://h/a#access_token=***"},
    {"https://h/?a=1?token=abc", "https://h/?a=1?token=***"},
    /* by their own form */
    {"https://h/a?t=xoxe-1234567890-abcdefghij", "https://h/a?t=***"},
    {"https://h/a?ghp_0123456789abcdefghij", "https://h/a?***"},
    {"https://api.h.org/file/bot123456:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc/photo.jpg",
     "https://api.h.org/file/***/photo.jpg"},
    {"https://h/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x/a.png", "https://h/***/a.png"},
    {"https://h/a?who=AKIAIOSFODNN7EXAMPLE", "https://h/a?who=***"},
    /* inside another address */
    {"https://p/fit?url=https%3A%2F%2Fu%3Apw%40h%2Fa.png", "https://p/fit?url=***"},
    {"https://p/fit?url=https%253A%252F%252Fh%252Fa%253Ftoken%253Dabc", "https://p/fit?url=***"},
    {"https://p/fit?url=https://u:pw@h/a.png&w=100", "https://p/fit?url=***&w=100"},
    /* nothing secret */
    {"https://h/bot/skeleton-of-a-very-large-whale/sk-1.png?hf_x=hf_short", NULL},
    {"https://h/a.png", NULL},
    {"https://h/a@b.png?x=me@h", NULL},
    {"https://h:8080/a?x=1&y=&z", NULL},
    {"https://h/a?keyword=cat&monkeys=3&author=me&design=x&tokens_of_love", NULL},
    {"https://h/a?code=AB12&hash=short&s=200&st=NY", NULL},
    {"https://h/a?v=" HEX64 "&sha256=" HEX64, NULL},
    {"https://h/a?file=2024/holiday-pictures-from-the-north-sea-number-0001-small.png", NULL},
    {"https://p/fit?url=https%3A%2F%2Fh%2Fa.png", NULL},
    {"https://h/a?token=", NULL},
    {"https://h/?", NULL},
    {"https://", NULL},
    {"://", NULL},
    {"dir/a?token=abc", NULL},
    {"me@x.org", NULL},
    {"data:image/png;base64,AAAA", NULL},
    {"c://u:p@x", NULL},
    {"", NULL},
    /* taken away before */
    {"https://***@h/a?token=***", NULL},
};

static void test_secrets(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        const char *url = secrets[i][0], *want = secrets[i][1] ? secrets[i][1] : url;
        bool removed = true, again = true;
        char *kept = url_without_secrets(url, &removed);
        if (strcmp(kept, want) || removed != (secrets[i][1] != NULL))
            fail_msg("%s: %s (%d)", url, kept, removed);
        if (removed && !url_lacks_secret(kept)) fail_msg("%s does not say so", kept);
        if (!removed && !strstr(url, "***") && url_lacks_secret(url)) fail_msg("%s", url);
        char *twice = url_without_secrets(kept, &again);
        assert_string_equal(twice, kept);
        assert_false(again);
        free(twice);
        free(kept);
    }
}

static void test_secrets_in_text(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {":load http://u:p@h/a.png b.png", ":load http://***@h/a.png b.png"},
        {":load \"https://h/a b?token=x y\" 'https://u@h/it' c",
         ":load \"https://h/a b?token=***\" 'https://***@h/it' c"},
        {"What is in https://h/a?sig=abc, and at http://h/b?", "What is in https://h/a?sig=*** and "
                                                               "at http://h/b?"},
        {"see <https://u:p@h/a>", "see <https://***@h/a>"},
        {"a: b // c ://d", NULL},
        {"mail me@h.org: 1://2", NULL},
        {"line one\nhttps://h/?key=1\nline three", "line one\nhttps://h/?key=***\nline three"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool removed = true;
        const char *want = cases[i][1] ? cases[i][1] : cases[i][0];
        char *kept = url_text_without_secrets(cases[i][0], &removed);
        assert_string_equal(kept, want);
        assert_int_equal(removed, cases[i][1] != NULL);
        free(kept);
    }
}

/* One long run of a character costs time in proportion. */
static void test_hub(void **state)
{
    (void)state;
    static const struct {
        const char *what, *behind;
    } cases[] = {
        {"https://huggingface.co/acme/x", "/acme/x"},
        {"HTTP://HuggingFace.co/acme", "/acme"},
        {"https://www.huggingface.co", ""},
        {"https://hf.co/", "/"},
        {"https://huggingface.co.evil.org/x", NULL},
        {"https://evil.org/huggingface.co/x", NULL},
        {"https://huggingface.co@evil.org/x", NULL},
        {"https://huggingface.co:80@evil.org/x", NULL},
        {"https://hf.com/x", NULL},
        {"ftp://hf.co/x", NULL},
        {"huggingface.co/x", NULL},
        {"https://", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *behind = url_behind_hub(cases[i].what);
        if (!behind != !cases[i].behind || (behind && strcmp(behind, cases[i].behind)))
            fail_msg("%s: %s", cases[i].what, behind ? behind : "of another place");
    }
}

/* Time grows with the length alone: with its square, this would not end before the test's limit. */
static void test_long(void **state)
{
    (void)state;
    static const char marks[] = "a@:/?&;=#%<>\"'w.\\";
    size_t n = 1 << 20;
    char *text = malloc(n + 16);
    for (const char *c = marks; *c; c++) {
        memset(text, *c, n);
        memcpy(text, "http://", 7);
        text[n] = 0;
        free(url_without_secrets(text, NULL));
        free(url_text_without_secrets(text, NULL));
        free(url_spell(text));
        url_lacks_secret(text);
    }
    for (size_t i = 0; i + 4 <= n; i += 4) memcpy(text + i, "x://", 4);
    free(url_text_without_secrets(text, NULL));
    free(text);
}

/* -- Proxies ---------------------------------------------------------------------------------- */

static void expect_proxy(const char *scheme, const char *host, const char *want)
{
    char *proxy = proxy_for(scheme, host);
    if (want ? !proxy || strcmp(proxy, want) : proxy != NULL)
        fail_msg("%s %s: %s", scheme, host, proxy ? proxy : "NULL");
    free(proxy);
}

static void test_proxies(void **state)
{
    (void)state;
    static const char *const names[] = {"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY",
                                        "all_proxy",  "ALL_PROXY",  "no_proxy",    "NO_PROXY"};
    for (size_t i = 0; i < 8; i++) unsetenv(names[i]);
    expect_proxy("http", "h", NULL);
    setenv("HTTP_PROXY", "http://x", 1); /* may come from a CGI request's header */
    expect_proxy("http", "h", NULL);
    setenv("ALL_PROXY", "http://all", 1);
    expect_proxy("http", "h", "http://all");
    setenv("http_proxy", "http://one", 1);
    setenv("HTTPS_PROXY", "http://two", 1);
    expect_proxy("HTTP", "h", "http://one");
    expect_proxy("https", "h", "http://two");
    setenv("https_proxy", "http://three", 1);
    expect_proxy("https", "h", "http://three");
    setenv("NO_PROXY", "example.org, .net 10.0.0.0/8,192.0.2.7,fd00::/8", 1);
    static const char *const direct[] = {
        "example.org", "www.EXAMPLE.org", "example.org.", "a.net",
        "net",         "10.200.3.4",      "192.0.2.7",    "[fd00::1]"};
    for (size_t i = 0; i < sizeof direct / sizeof *direct; i++)
        expect_proxy("http", direct[i], NULL);
    static const char *const proxied[] = {"myexample.org", "example.org.uk", "11.0.0.1",
                                          "192.0.2.70",    "[fe00::1]",      "10.evil.com"};
    for (size_t i = 0; i < sizeof proxied / sizeof *proxied; i++)
        expect_proxy("http", proxied[i], "http://one");
    setenv("no_proxy", "*", 1);
    expect_proxy("http", "h", NULL);
    for (size_t i = 0; i < 8; i++) unsetenv(names[i]);
}

/* -- Cameras ---------------------------------------------------------------------------------- */

struct stream {
    const char *type, *bytes;
    const char *frame; /* NULL: none */
    bool open;         /* found without the stream's end */
};

static void test_multipart(void **state)
{
    (void)state;
#define TYPE "multipart/x-mixed-replace"
    static const struct stream cases[] = {
        {TYPE ";boundary=b", "--b\r\nContent-Length: 3\r\n\r\none\r\n--b\r\n", "one", true},
        {TYPE "; boundary=\"b\"", "\r\n--b\r\nX: y\r\n\r\none\r\n--b\r\n\r\ntwo", "one", true},
        {TYPE ";boundary=--b", "--b\r\n\r\none\r\n--b--", "one", true},
        {TYPE ";boundary=--b", "----b\r\n\r\none\r\n----b--", "one", true},
        {"Multipart/X-Mixed-Replace;Boundary=b", "--b\n\none\n--b\n", "one", true},
        {TYPE ";boundary=b", "noise\r\n--b\r\n\r\n-one--b-\r\n--b", "-one--b-", true},
        {TYPE ";boundary=b", "--b\r\n\r\none", "one", false},
        {TYPE ";boundary=b", "--b\r\nContent-Length: 9\r\n\r\none", NULL, false},
        {TYPE ";boundary=b", "--b\r\nno blank line", NULL, false},
        {TYPE ";boundary=b", "", NULL, false},
        {TYPE, "--b\r\n\r\none\r\n--b", "one", true},
        {TYPE ";boundary=", "\r\n--b\r\n\r\none\r\n--b", "one", true},
        {TYPE ";boundary=a", "--b\r\n\r\none\r\n--b", "one", true},
        {TYPE ";boundary=a", "--b c\r\n\r\none\r\n--b", "one", true},
        {"multipart/mixed", "--b\r\n\r\none\r\n--b", "one", true},
        {TYPE, "one", NULL, false},
        {TYPE, "--\r\n\r\none\r\n--", NULL, false},
        {TYPE ";boundary=a", "--b\r\n\r\none", "one", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct stream *c = &cases[i];
        struct multipart m;
        multipart_init(&m, c->type);
        assert_true(m.is_one);
        size_t at = 0, n = 0, total = strlen(c->bytes);
        enum multipart_state s = MULTIPART_MORE;
        for (size_t k = 0; k <= total && s == MULTIPART_MORE; k++) /* byte by byte */
            s = multipart_first(&m, (const uint8_t *)c->bytes, k, false, &at, &n);
        assert_int_equal(s == MULTIPART_FRAME, c->open);
        if (s == MULTIPART_MORE)
            s = multipart_first(&m, (const uint8_t *)c->bytes, total, true, &at, &n);
        assert_int_equal(s == MULTIPART_FRAME, c->frame != NULL);
        if (!c->frame) continue;
        assert_int_equal(n, strlen(c->frame));
        assert_memory_equal(c->bytes + at, c->frame, n);
    }
    struct multipart m;
    multipart_init(&m, "image/jpeg");
    assert_false(m.is_one);
    multipart_init(&m, NULL);
    assert_false(m.is_one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spelling),  cmocka_unit_test(test_file_named_www),
        cmocka_unit_test(test_secrets),   cmocka_unit_test(test_secrets_in_text),
        cmocka_unit_test(test_long),      cmocka_unit_test(test_proxies),
        cmocka_unit_test(test_multipart), cmocka_unit_test(test_hub),
    };
    return cmocka_run_group_tests_name("url", tests, NULL, NULL);
}
