/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/files.h"
#include "net/fetch.h"
#include "net/url.h"
#include "notebook/refs.h"
#include "notebook/words.h"

enum {
    LONGEST_PATH = PATH_MAX,
    LONGEST_ADDRESS = 64 << 10,
    MOST_LOOKUPS = 20000,
    MOST_OTHERS = 200,
    BYTES_A_LOOKUP = 256, /* reading so much takes as long as a look-up */
    ASK_EVERY = 1 << 18
};

/* What a search needs to know. */
struct search {
    const struct images *images;
    enum nb_origin origin;
    int n_lookups; // file look-ups so far
};

static bool is_name_char(char c) { return isalnum((unsigned char)c) || c == '_' || c == '-'; }

static bool is_beyond_ascii(char c) { return (unsigned char)c >= 0x80; }

/* -- Handles ---------------------------------------------------------------------------------- */

/* Reads "1-3", a run of pictures. */
static bool run_of_pictures(const char *name, const struct images *m, struct ref *ret)
{
    char *end;
    long first = strtol(name, &end, 10), last;
    if (!isdigit((unsigned char)*name) || *end != '-' || !isdigit((unsigned char)end[1]))
        return false;
    last = strtol(end + 1, &end, 10);
    if (*end || first < 1 || last < first || last > m->n) return false;
    for (long k = first; k <= last; k++)
        if (m->v[k - 1].dropped) return false;
    ret->first = (int)first - 1;
    ret->last = (int)last - 1;
    return true;
}

/* Finds the longest name after @ that we know, so that "@1-" and "@cover-like" work if there is @1
 * and @cover. Returns its bytes; 0: no picture of ours. */
static size_t known_name(const char *s, const struct images *m, struct ref *ret)
{
    char name[64];
    size_t n = 0;
    while (n < sizeof name - 1 && is_name_char(s[n])) n++;
    for (; n > 0; n--) {
        memcpy(name, s, n);
        name[n] = 0;
        int index = images_find(m, name);
        ret->first = ret->last = index;
        if (index >= 0 || run_of_pictures(name, m, ret)) return n;
        while (n > 1 && s[n - 1] != '-') n--; /* it can end earlier only before a hyphen */
    }
    return 0;
}

/* Whether what follows belongs to the name: a domain (@cover.org), a time (@5:30). */
static bool goes_on(const char *rest)
{
    return (*rest == '.' || *rest == ':' || *rest == '@') && isalnum((unsigned char)rest[1]);
}

/* n: bytes of the name that known_name found, with *ret. */
static int handle_ref(const char *at, size_t n, struct ref *ret, struct phi3v_error *err)
{
    size_t digits = strspn(at + 1, "0123456789");
    size_t run = digits && at[1 + digits] == '-' ? strspn(at + 2 + digits, "0123456789") : 0;
    if (run) run += digits + 1;
    if (run && n < run && !is_name_char(at[1 + run]) && !goes_on(at + 1 + run))
        return refuse(err, PHI3V_E_IMAGE, "there are no pictures @%.*s: :images lists them",
                      (int)(run > 40 ? 40 : run), at + 1);
    if (n > 0 && !goes_on(at + 1 + n)) {
        ret->kind = REF_PICTURE;
        ret->end = n + 1;
        return 1;
    }
    bool number = digits > 0 && !is_name_char(at[1 + digits]) && !goes_on(at + 1 + digits);
    if (number)
        return refuse(err, PHI3V_E_IMAGE, "there is no picture @%.*s: :images lists them",
                      (int)(digits > 20 ? 20 : digits), at + 1);
    return 0;
}

/* -- Paths ------------------------------------------------------------------------------------ */

/* The word at s, unquoted: no more than `most` bytes of the text, and no further than where n_wanted
 * bytes of the word are complete. It takes *ret_n bytes of the text. NULL: too long, or no
 * memory. */
static char *word_at(const char *s, size_t most, size_t n_wanted, size_t *ret_n)
{
    char quote = *s == '"' || *s == '\'' ? *s : 0;
    const char *close = quote ? memchr(s + 1, quote, strnlen(s + 1, most)) : NULL;
    if (close) {
        *ret_n = (size_t)(close + 1 - s);
        return text_copyn(s + 1, (size_t)(close - s - 1));
    }
    struct text word = {0};
    const char *p = s;
    bool from_windows = windows_prefix(s);
    for (; *p && !isspace((unsigned char)*p) && word.n < n_wanted; p++) {
        if ((size_t)(p - s) >= most) {
            text_free(&word);
            return NULL;
        }
        size_t n_escaped = word_escapes(p, &word);
        if (n_escaped) {
            p += n_escaped - 1;
            continue;
        }
        if (*p == '\\' && p[1] && !from_windows) p++;
        text_addn(&word, p, 1);
    }
    *ret_n = (size_t)(p - s);
    return text_take(&word);
}

/* A word of the text that may be a name. */
struct name {
    const char *at;
    char *text;
    size_t n;    // how much of the text it is
    bool quoted; // then it has its own end
};

/* Long words count as look-ups, because reading them takes as long. False: too long, or no
 * memory. */
static bool read_name(struct search *s, const char *at, size_t most, struct name *ret)
{
    *ret = (struct name){.at = at, .quoted = *at == '"' || *at == '\''};
    ret->text = word_at(at, most, SIZE_MAX, &ret->n);
    s->n_lookups += (int)((ret->text ? ret->n : most) / BYTES_A_LOOKUP);
    return ret->text;
}

/* Shortens the name to its first n bytes. False without memory. */
static bool cut_name(struct name *name, size_t n)
{
    name->text[n] = 0;
    char *again = n ? word_at(name->at, name->n, n, &name->n) : NULL;
    free(again);
    return again || !n;
}

static const char sentence_marks[] = ".,;:!?)]}>'\"`";

static bool only_marks(const char *s) { return strspn(s, sentence_marks) == strlen(s); }

static bool begins_character(const char *s) { return ((unsigned char)*s & 0xC0) == 0xC0; }

/* Whether a sentence continues at s, right behind the name of a picture: "a.png's colour",
 * "a.png@b.png", but not "a.png.gz". */
static bool sentence_goes_on(const char *s)
{
    if (*s == '.') return !isalnum((unsigned char)s[1]);
    return *s && (strchr(sentence_marks, *s) || strchr("@|*", *s));
}

/* Shortens the name to the longest beginning of it that fits, if a sentence may continue behind
 * that: "@a.png, and …", "@图.png和…", "a.png's". Of beginnings without a picture's ending the
 * longest n_others are tried. */
static bool cut_to(struct search *s, struct name *name, bool (*fits)(const char *), int n_others)
{
    char *text = name->text;
    size_t whole = strlen(text);
    for (size_t n = whole; n > 0; n--) {
        bool may_end = n == whole || begins_character(text + n) || only_marks(text + n);
        if (!may_end && !sentence_goes_on(text + n)) continue;
        char kept = text[n];
        text[n] = 0;
        bool worth = has_picture_name(text) || (may_end && n_others-- > 0);
        s->n_lookups += worth;
        if (worth && fits(text)) return n == whole || cut_name(name, n);
        text[n] = kept;
        if (name->quoted) break;
    }
    return false;
}

static bool looks_like_path(const char *path)
{
    return !strncmp(path, "./", 2) || !strncmp(path, "../", 3) || !strncmp(path, "~/", 2) ||
           url_is_file(path) || (*path == '/' && path[1]);
}

/* Removes the sentence's marks from the end of a word that is no file. */
static void cut_marks(struct name *name)
{
    size_t n = strlen(name->text), whole = n;
    while (n > 0 && strchr(sentence_marks, name->text[n - 1])) n--;
    if (n < whole && !name->quoted) cut_name(name, n);
}

/* Whether a name that has blanks, such as "My Photo.png", stands at the beginning of the text as it
 * is; the longest one is taken. */
static bool take_with_blanks(struct search *s, struct name *name)
{
    enum { MOST_BYTES = 512 };
    size_t line = strcspn(name->at, "\n"), n = line < MOST_BYTES ? line : MOST_BYTES;
    char *text = text_copyn(name->at, n);
    s->n_lookups += (int)(n / BYTES_A_LOOKUP);
    for (; text && n > name->n; n--) {
        const char *rest = name->at + n;
        bool may_end = !*rest || isspace((unsigned char)*rest) || begins_character(rest) ||
                       sentence_goes_on(rest);
        text[n] = 0;
        if (!may_end || !has_picture_name(text)) continue;
        s->n_lookups++;
        if (!load_finds(text)) continue;
        free(name->text);
        name->text = text;
        name->n = n;
        return true;
    }
    free(text);
    return false;
}

/* A name without @ that is a handle's too stands for a file only if it has a picture's ending. */
static int path_ref(struct search *s, const char *at, bool is_handle, struct ref *ret,
                    struct phi3v_error *err)
{
    struct name name;
    if (s->n_lookups >= MOST_LOOKUPS)
        return refuse(err, PHI3V_E_PROMPT,
                      "too many words of the text begin with @ and may be pictures");
    bool address = fetch_is_url(at + 1), may_ask = s->origin != NB_REQUEST;
    if (!read_name(s, at + 1, address ? LONGEST_ADDRESS : LONGEST_PATH, &name)) return 0;
    int found = address;
    if (address)
        cut_marks(&name);
    else
        found = may_ask && (cut_to(s, &name, load_finds, is_handle ? 0 : MOST_OTHERS) ||
                            (!is_handle && !name.quoted && take_with_blanks(s, &name)));
    if (!found && (cut_to(s, &name, has_picture_name, 0) || looks_like_path(name.text))) {
        cut_marks(&name);
        found = refuse(err, PHI3V_E_IMAGE, "@%.200s: no such picture; nothing was sent%s",
                       name.text, may_ask ? "" : " (a request may name addresses only)");
    }
    if (found != 1) {
        free(name.text);
        return found;
    }
    *ret = (struct ref){.kind = REF_LOAD, .end = name.n + 1, .what = name.text};
    return 1;
}

static bool is_pattern(const char *name) { return strpbrk(name, "*?["); }

/* A picture's path as a separate word, without @. */
static int bare_ref(struct search *s, const char *at, struct ref *ret)
{
    struct name name = {0};
    bool data = url_is_data(at);
    if (s->n_lookups >= MOST_LOOKUPS ||
        !read_name(s, at, data ? LONGEST_ADDRESS : LONGEST_PATH, &name))
        return 0;
    bool address = fetch_is_url(name.text);
    bool found = !address && cut_to(s, &name, load_finds, 0);
    bool missing =
        !found && (data || (cut_to(s, &name, has_picture_name, 0) && !is_pattern(name.text)));
    if (!found && !missing) {
        free(name.text);
        return 0;
    }
    *ret = (struct ref){
        .kind = found ? REF_LOAD : REF_MISSING, .end = name.n, .what = name.text, .bare = true};
    return 1;
}

/* -- Answers ---------------------------------------------------------------------------------- */

static int answer_ref(const char *at, struct ref *ret)
{
    if (!strncmp(at, "{_}", 3)) {
        *ret = (struct ref){.kind = REF_ANSWER, .end = 3};
        return 1;
    }
    char *end;
    if (strncmp(at, "{Out[", 5) != 0 || !isdigit((unsigned char)at[5])) return 0;
    long n = strtol(at + 5, &end, 10);
    if (strncmp(end, "]}", 2) != 0 || n < 1 || n > 1000000) return 0;
    *ret = (struct ref){.kind = REF_ANSWER, .first = (int)n, .end = (size_t)(end + 2 - at)};
    return 1;
}

/* -- The whole text --------------------------------------------------------------------------- */

/* An @ may begin a reference after a blank, a mark, or a script that has no blanks; after ASCII
 * letters it belongs to an e-mail address or similar. */
static bool may_refer(const char *text, const char *at)
{
    return at == text || isspace((unsigned char)at[-1]) || is_beyond_ascii(at[-1]) ||
           strchr("([{\"',;:/=+&!?", at[-1]);
}

/* A picture's path may begin after a blank, an opening mark, or a script that has no blanks. */
static bool begins_word(const char *text, const char *at)
{
    if (isspace((unsigned char)*at)) return false;
    if (at == text || isspace((unsigned char)at[-1]) || strchr("([{<\"'`", at[-1])) return true;
    return is_beyond_ascii(at[-1]) && !is_beyond_ascii(*at);
}

/* Returns 1 for a reference at p, 0 for none, negative for an error. `behind` is where the one
 * before it ends. */
static int ref_at(struct search *s, const char *text, const char *p, const char *behind,
                  struct ref *ret, struct phi3v_error *err)
{
    if (*p == '{') return answer_ref(p, ret);
    if (*p == '@' && (p == behind || may_refer(text, p))) {
        size_t n = known_name(p + 1, s->images, ret);
        int found = path_ref(s, p, n && !goes_on(p + 1 + n), ret, err);
        return found ? found : handle_ref(p, n, ret, err);
    }
    return s->origin != NB_REQUEST && begins_word(text, p) ? bare_ref(s, p, ret) : 0;
}

/* Takes ref. A name that is missing gives way to one inside it: "(a.png" to "a.png". */
static int add_ref(struct refs *r, struct ref *ref, struct phi3v_error *err)
{
    struct ref *last = r->n ? &r->v[r->n - 1] : NULL;
    if (last && last->kind == REF_MISSING && ref->start < last->end) {
        free(last->what);
        *last = *ref;
        return 0;
    }
    struct ref *v = memory_room(r->v, r->n, sizeof *v);
    if (!v) {
        free(ref->what);
        return memory_error(err);
    }
    r->v = v;
    v[r->n++] = *ref;
    return 0;
}

int refs_find(const char *text, const struct images *images, enum nb_origin origin,
              const struct stop *stop, struct refs *ret, struct phi3v_error *err)
{
    size_t ask_at = 0;
    struct search s = {images, origin, 0};
    struct refs r = {0};
    const char *behind = NULL;
    int rc = 0;
    for (const char *p = text; *p && !rc;) {
        struct ref ref = {0};
        if (stop_asked_at(stop, (size_t)(p - text), &ask_at, ASK_EVERY)) {
            rc = stop_error(err, "reading", "the prompt");
            break;
        }
        int found = ref_at(&s, text, p, behind, &ref, err);
        if (found < 0) rc = found;
        if (found != 1) {
            p++;
            continue;
        }
        ref.start = (size_t)(p - text);
        ref.end += ref.start;
        rc = add_ref(&r, &ref, err);
        p = ref.kind == REF_MISSING ? p + 1 : (behind = text + ref.end);
    }
    if (rc) refs_free(&r);
    if (!rc) *ret = r;
    return rc;
}

bool refs_paste(const char *text)
{
    struct ref ref;
    for (const char *p = text; (p = strchr(p, '{')); p++)
        if (answer_ref(p, &ref)) return true;
    return false;
}

void refs_free(struct refs *r)
{
    for (size_t i = 0; i < r->n; i++) free(r->v[i].what);
    free(r->v);
    *r = (struct refs){0};
}

const struct ref *refs_missing_alone(const char *text, const struct refs *r)
{
    const struct ref *missing = NULL;
    const char *p = text;
    for (size_t i = 0; i < r->n; i++) {
        const struct ref *ref = &r->v[i];
        if (!ref->bare || text + ref->start != p + strspn(p, " \t\n")) return NULL;
        if (!missing && ref->kind == REF_MISSING) missing = ref;
        p = text + ref->end;
    }
    return p[strspn(p, " \t\n")] ? NULL : missing;
}

bool has_image_tag(const char *text)
{
    for (const char *p = text; (p = strstr(p, "<|image_")); p++) {
        size_t digits = strspn(p + 8, "0123456789");
        if (digits && !strncmp(p + 8 + digits, "|>", 2)) return true;
    }
    return false;
}

char *with_image_tags(const char *text, size_t n_images)
{
    struct text out = {0};
    for (size_t k = 0; k < n_images && !has_image_tag(text); k++)
        text_addf(&out, "<|image_%zu|>\n", k + 1);
    text_add(&out, text);
    return text_take(&out);
}

static bool all_are_pictures(const char *line)
{
    struct words words;
    if (words_split(line, &words, NULL)) return false;
    bool all = words.n > 0;
    for (size_t i = 0; i < words.n && all; i++) all = names_picture(words.v[i].text);
    words_free(&words);
    return all;
}

static bool add_pictures(const char *line, struct text *words)
{
    bool whole = names_picture(line);
    if (!whole && !all_are_pictures(line)) return false;
    char *quoted = whole ? word_quote(line) : text_copy(line);
    text_addf(words, " %s", quoted ? quoted : "");
    words->failed |= !quoted;
    free(quoted);
    return true;
}

bool pictures_of(const char *text, struct text *words)
{
    size_t before = words->n;
    bool all = strlen(text) <= LONGEST_ADDRESS;
    while (*text && all) {
        size_t n = strcspn(text, "\n"), from = strspn(text, " \t"), to = n;
        while (to > from && isspace((unsigned char)text[to - 1])) to--;
        char *line = to > from ? text_copyn(text + from, to - from) : NULL;
        if (to > from) all = line && add_pictures(line, words);
        free(line);
        text += n + (text[n] == '\n');
    }
    return all && words->n > before && !words->failed;
}
