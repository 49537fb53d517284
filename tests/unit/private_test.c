/* SPDX-License-Identifier: GPL-3.0-or-later
 * repl/net: private addresses named by anybody but a person are refused before anything is
 * connected, in every spelling, through every proxy setting, on every hop, with one sentence
 * whatever listens there. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loopback.h"
#include "net/address.h"
#include "net/fetch.h"

#define PUBLIC "198.51.100.7" /* for documentation; here it is a name for our own server */

static struct loopback *server, *tls_server; /* what must not be reached */
static struct loopback *proxy;               /* a proxy, and behind it every public host */
static int closed_port, closed_fd;
static bool in_namespace; /* this machine has no network but loopback and PUBLIC */

/* -- Addresses -------------------------------------------------------------------------------- */

static void test_addresses(void **state)
{
    (void)state;
    static const char *const is_private[] = {
        "127.0.0.1",
        "127.255.0.3",
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "0.0.0.0",
        "0.1.2.3",
        "169.254.169.254",
        "100.64.0.1",
        "100.127.255.255",
        "192.0.0.1",
        "198.18.0.1",
        "198.19.255.255",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "0177.0.0.1",
        "2130706433",
        "0x7f000001",
        "127.1",
        "127.0.0.1.",
        "0",
        "::1",
        "::",
        "fe80::1",
        "febf::1",
        "fc00::1",
        "fd12::1",
        "ff02::1",
        "fec0::1",
        "[::1]",
        "2002:7f00:1::",
        "2002:c0a8:1::",
        "::ffff:127.0.0.1",
        "[::ffff:10.0.0.1]",
        "::ffff:a9fe:a9fe",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
        "64:ff9b::127.0.0.1",
        "2001::1",
        "::127.0.0.1",
        "2600::5efe:a00:1",
        "2600::200:5efe:7f00:1",
        "5f00::1",
        "nonsense",
        "",
    };
    static const char *const is_public[] = {
        "8.8.8.8",   "172.32.0.1",      "172.15.0.1",     "192.167.1.1",      "100.128.0.1",
        "9.255.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::",
        "134744072", "0x08.8.8.8",      "8.8.8.8.",
    };
    for (size_t i = 0; i < sizeof is_private / sizeof *is_private; i++)
        if (!address_text_is_private(is_private[i])) fail_msg("%s", is_private[i]);
    for (size_t i = 0; i < sizeof is_public / sizeof *is_public; i++)
        if (address_text_is_private(is_public[i])) fail_msg("%s", is_public[i]);
    struct sockaddr unix_address = {.sa_family = AF_UNIX};
    assert_true(address_is_private(&unix_address));
}

static void test_hosts(void **state)
{
    (void)state;
    static const char *const is_private[] = {
        "localhost", "LOCALHOST.",  "a.localhost", "printer",   "nas.local",  "db.internal",
        "x.lan",     "x.home.arpa", "0x7f.1",      "127.0.0.1", "127.0.0.1.", "[::1]",
        "",          ".",
    };
    static const char *const is_public[] = {"example.org", "www.example.org.", "8.8.8.8",
                                            "local.example.org", "mylocalhost.org"};
    for (size_t i = 0; i < sizeof is_private / sizeof *is_private; i++)
        if (!address_host_is_private(is_private[i])) fail_msg("%s", is_private[i]);
    for (size_t i = 0; i < sizeof is_public / sizeof *is_public; i++)
        if (address_host_is_private(is_public[i])) fail_msg("%s", is_public[i]);
}

/* -- Servers ---------------------------------------------------------------------------------- */

static void answer_picture(struct loopback_request *r, void *user)
{
    (void)user;
    loopback_sendf(r, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc");
}

/* /to?ADDRESS redirects there. */
static void answer_proxy(struct loopback_request *r, void *user)
{
    if (!strcmp(r->path, "/to"))
        loopback_sendf(r,
                       "HTTP/1.1 302 x\r\nLocation: %s\r\nContent-Length: 0\r\n"
                       "Connection: close\r\n\r\n",
                       r->query);
    else
        answer_picture(r, user);
}

/* -- The matrix ------------------------------------------------------------------------------- */

static const char *const proxy_names[] = {"http_proxy",  "https_proxy", "all_proxy", "HTTP_PROXY",
                                          "HTTPS_PROXY", "ALL_PROXY",   "no_proxy",  "NO_PROXY"};

static void unset_proxies(void)
{
    for (size_t i = 0; i < sizeof proxy_names / sizeof *proxy_names; i++) unsetenv(proxy_names[i]);
}

/* name[0] and name[1] (may be NULL) are set to our proxy. */
static const struct setting {
    const char *name[2];
    const char *no_proxy;
    bool for_http; /* http goes through it */
} settings[] = {
    {{NULL, NULL}, NULL, false},
    {{"http_proxy", NULL}, NULL, true},
    {{"http_proxy", "https_proxy"}, NULL, true},
    {{"https_proxy", NULL}, NULL, false},
    {{"HTTPS_PROXY", NULL}, NULL, false},
    {{"all_proxy", NULL}, NULL, true},
    {{"ALL_PROXY", NULL}, NULL, true},
    {{"HTTP_PROXY", NULL}, NULL, false},
    {{"http_proxy", "all_proxy"}, "*", false},
    {{"http_proxy", NULL}, "localhost,127.0.0.0/8,10.0.0.0/8,::1", true},
    {{"http_proxy", NULL}, "example.org", true},
};

static const char *const private_hosts[] = {
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "0.0.0.0",
    "0",
    "127.0.0.1.",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "10.0.0.1",
    "192.168.0.1",
    "172.16.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "[fe80::1]",
    "[fd00::1]",
    "[2002:7f00:1::]",
    "me:pw@127.0.0.1",
    "127%2E0.0.1",
};

/* Names that mean private addresses, which only the system's resolver tells; known in the
 * namespace.
 */
static const char hosts_file[] = "127.0.0.1 localhost\n"
                                 "127.0.0.1 four.example.org\n"
                                 "::1 six.example.org\n"
                                 "10.0.0.1 office.example.org\n"
                                 "169.254.169.254 metadata.example.org\n";
static const char *const private_names[] = {"four.example.org", "six.example.org",
                                            "office.example.org", "metadata.example.org",
                                            "FOUR.example.org"};

static void set_proxies(const struct setting *s)
{
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d", loopback_port(proxy));
    unset_proxies();
    for (int i = 0; i < 2; i++)
        if (s->name[i]) setenv(s->name[i], url, 1);
    if (s->no_proxy) setenv("no_proxy", s->no_proxy, 1);
}

/* Refused with the one sentence; nothing connected but allowed connections to the proxy. */
static void expect_refused(const char *url, enum net_origin origin, int allowed)
{
    static const char sentence[] = " leads to a private address, which only a person may ask for: "
                                   "type that URL yourself, or allow it with --allow-private-urls";
    const struct fetch_options opt = {.origin = origin, .timeout_s = 3};
    struct fetched f = {0};
    struct phi3v_error err = {0};
    int before = loopback_accepted(proxy);
    int rc = fetch_picture(url, &opt, &f, &err);
    const char *tail = strstr(err.text, " leads to");
    if (rc != PHI3V_E_IO || !tail || strcmp(tail, sentence)) fail_msg("%s: %s", url, err.text);
    if (loopback_accepted(proxy) - before != allowed) fail_msg("%s reached the proxy", url);
    if (loopback_accepted(server) || loopback_accepted(tls_server)) fail_msg("%s connected", url);
}

static int n_tried;

static void each_target(const struct setting *s, const char *host)
{
    const struct {
        const char *scheme;
        int port;
    } targets[] = {{"http", loopback_port(server)},
                   {"http", closed_port},
                   {"http", loopback_port(tls_server)},
                   {"https", loopback_port(tls_server)},
                   {"https", loopback_port(server)}};
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        char url[200], redirect[400];
        snprintf(url, sizeof url, "%s://%s:%d/x.png", targets[i].scheme, host, targets[i].port);
        snprintf(redirect, sizeof redirect, "http://" PUBLIC ":%d/to?%s", loopback_port(proxy),
                 url);
        expect_refused(url, NET_FILE, 0);
        expect_refused(url, NET_REQUEST, 0);
        n_tried += 2;
        if (!s->for_http && !in_namespace) continue; /* no public host can be reached */
        expect_refused(redirect, NET_FILE, 1);
        expect_refused(redirect, NET_TYPED, 1);
        n_tried += 2;
    }
}

static void test_matrix(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof settings / sizeof *settings; k++) {
        set_proxies(&settings[k]);
        for (size_t i = 0; i < sizeof private_hosts / sizeof *private_hosts; i++)
            each_target(&settings[k], private_hosts[i]);
        for (size_t i = 0; in_namespace && i < sizeof private_names / sizeof *private_names; i++)
            each_target(&settings[k], private_names[i]);
    }
    unset_proxies();
    printf("# %d refused, %s\n", n_tried,
           in_namespace ? "in a network namespace"
                        : "no namespace: redirects through proxies only");
    assert_true(n_tried > 3000);
}

/* What is allowed goes through: so the refusals above are no accident. */
static void test_allowed(void **state)
{
    (void)state;
    char url[200], to[400];
    struct fetched f = {0};
    snprintf(url, sizeof url, "http://localhost:%d/x.png", loopback_port(server));
    snprintf(to, sizeof to, "http://127.0.0.1:%d/to?%s", loopback_port(proxy), url);
    const struct fetch_options typed = {.origin = NET_TYPED}, file = {.origin = NET_FILE};
    const struct fetch_options open = {.origin = NET_FILE, .allow_private = true};
    const char *const fine[] = {url, to}; /* from private to private: the person's */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fetch_picture(fine[i], &typed, &f, NULL), 0);
        fetched_fini(&f);
        assert_int_equal(fetch_picture(fine[i], &open, &f, NULL), 0);
        fetched_fini(&f);
    }
    assert_int_equal(loopback_accepted(server), 4);
    set_proxies(&settings[1]);
    assert_int_equal(fetch_picture("http://" PUBLIC "/x.png", &file, &f, NULL), 0);
    fetched_fini(&f);
    unset_proxies();
}

/* -- Life ------------------------------------------------------------------------------------- */

static bool give_address(int fd, const char *name, uint32_t address)
{
    struct ifreq r = {0};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
    memcpy(&r.ifr_addr, &in, sizeof in);
    if (ioctl(fd, SIOCSIFADDR, &r) != 0 || ioctl(fd, SIOCGIFFLAGS, &r) != 0) return false;
    r.ifr_flags = (short)(r.ifr_flags | IFF_UP);
    return ioctl(fd, SIOCSIFFLAGS, &r) == 0;
}

static bool set_hosts(const char *path)
{
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount(path, "/etc/hosts", NULL, MS_BIND, NULL) == 0;
}

static bool unshare_both(void)
{
    char path[] = "/tmp/private_test.XXXXXX";
    int file = mkstemp(path);
    if (file < 0) return false;
    bool made = write(file, hosts_file, sizeof hosts_file - 1) > 0 && fchmod(file, 0644) == 0 &&
                (unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 ||
                 unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) == 0) &&
                set_hosts(path);
    close(file);
    unlink(path);
    return made;
}

/* A network of our own in which PUBLIC is this machine. */
static bool enter_namespace(void)
{
    if (!unshare_both()) return false;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool made =
        fd >= 0 && give_address(fd, "lo", 0x7F000001) && give_address(fd, "lo:1", 0xC6336407);
    if (fd >= 0) close(fd);
    if (!made) fprintf(stderr, "# a network namespace without addresses\n");
    return made;
}

/* Whether the system lets us; tried by a child, because half a namespace (within a chroot, say) has no way back. */
static bool may_enter_namespace(void)
{
    pid_t child = fork();
    if (child == 0) _exit(enter_namespace() ? 0 : 1);
    int status = 1;
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static int begin(void **state)
{
    (void)state;
    unset_proxies();
    in_namespace = may_enter_namespace() && enter_namespace();
    loopback_everywhere = in_namespace;
    fetch_global_init();
    server = loopback_start(answer_picture, NULL);
    tls_server = loopback_start_tls(answer_picture, NULL, NULL, -3600, 3600);
    proxy = loopback_start(answer_proxy, NULL);
    closed_port = loopback_closed_port(&closed_fd);
    return 0;
}

static int end(void **state)
{
    (void)state;
    loopback_stop(server);
    loopback_stop(tls_server);
    loopback_stop(proxy);
    close(closed_fd);
    fetch_global_fini();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_matrix),
        cmocka_unit_test(test_allowed),
    };
    return cmocka_run_group_tests_name("private", tests, begin, end);
}
