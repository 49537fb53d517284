/* SPDX-License-Identifier: GPL-3.0-or-later
 * The completion scripts for bash, zsh and fish. They contain the tables of verbs and options, so
 * that completing runs phiscope only for the names of models. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "common/must.h"
#include "notebook/commands.h"
#include "verbs/describe.h"

static const char made[] = "made by \"phiscope describe\" out of the program's own tables";

/* Writes the text in single quotes, with a backslash before each character in `escape`. */
static void put_quoted(const char *text, const char *escape)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", stdout);
        else
            printf("%s%c", strchr(escape, *text) ? "\\" : "", *text);
    }
}

/* Writes "a|b" as "a b". */
static void put_first_words(const char *words)
{
    for (; *words; words++) putchar(*words == '|' ? ' ' : *words);
}

static void put_topics(void)
{
    for (int i = 0; i < n_verbs; i++)
        if (verb_table[i].help) printf("%s ", verb_table[i].name);
    for (int i = 0; i < n_commands; i++) printf(":%s ", command_table[i].name);
    printf("commands keys settings");
}

static void put_setting_names(const char *behind)
{
    for (int i = 0; i < n_settings; i++) {
        if (!(setting_table[i].use & SETTING_SHOWN)) continue;
        char *name = must(setting_name(&setting_table[i]));
        printf("%s%s ", name, behind);
        free(name);
    }
}

/* -- bash ------------------------------------------------------------------------------------- */

/* Writes an option's names as a pattern for case. */
static void put_pattern(const struct shown_option *o)
{
    if (o->letter) printf("-%c | ", o->letter);
    printf("--%s", o->name);
}

/* Writes the branch of case that completes the option's value. */
static void bash_value(const struct shown_option *o, void *user)
{
    (void)user;
    static const char *const does[] = {[VALUES_OTHER] = ":",
                                       [VALUES_FILES] = "_phiscope_paths -f",
                                       [VALUES_FOLDERS] = "_phiscope_paths -d",
                                       [VALUES_MODELS] = "_phiscope_models",
                                       [VALUES_SETTINGS] = "_phiscope_settings"};
    if (o->values == VALUES_NONE) return;
    printf("    ");
    put_pattern(o);
    if (o->values == VALUES_LISTED)
        printf(") _phiscope_words '%s' ;;\n", o->listed);
    else
        printf(") %s ;;\n", does[o->values]);
}

static void bash_skip(const struct shown_option *o, void *user)
{
    bool *begun = user;
    if (o->values == VALUES_NONE) return;
    if (*begun) printf(" | ");
    put_pattern(o);
    *begun = true;
}

static void bash_name(const struct shown_option *o, void *user)
{
    (void)user;
    printf("--%s ", o->name);
}

static void bash_verb(const struct verb *v)
{
    static const char *const does[] = {[WORDS_NONE] = ":",
                                       [WORDS_FILES] = "_phiscope_paths -f",
                                       [WORDS_FOLDERS] = "_phiscope_paths -d",
                                       [WORDS_MODELS] = "_phiscope_models",
                                       [WORDS_TOPICS] = "_phiscope_topics"};
    printf("    %s)\n        options='", v->name);
    each_option(v, bash_name, NULL);
    printf("' first='");
    put_first_words(v->first ? v->first : "");
    printf("' rest='%s'\n        ;;\n", does[v->words]);
}

/* Does so for the options that only some verbs have, unless a common option has the same name. */
static void bash_values(void (*fn)(const struct shown_option *, void *), void *user)
{
    each_option(NULL, fn, user);
    for (int i = 0; i < n_verbs; i++)
        if (verb_table[i].help) each_own_option(&verb_table[i], fn, user);
}

static const char bash_begin[] =
    "_phiscope_words() { mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$cur\"); }\n"
    "\n"
    "_phiscope_paths() {\n"
    "    compopt -o filenames 2>/dev/null\n"
    "    mapfile -t COMPREPLY < <(compgen \"$1\" -- \"$cur\")\n"
    "}\n"
    "\n"
    "_phiscope_models() {\n"
    "    local names folders\n"
    "    names=$(phiscope models --json 2>/dev/null | sed -n "
    "'s/^{\"name\":\"\\([^\"\\\\]*\\)\".*/\\1/p')\n"
    "    _phiscope_words \"$names\"\n"
    "    mapfile -t folders < <(compgen -d -- \"$cur\")\n"
    "    COMPREPLY+=(\"${folders[@]}\")\n"
    "}\n"
    "\n";

/* bash also splits words at =: "--set", "seed", "=", "1". */
static const char bash_middle[] =
    "_phiscope() {\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} n=$COMP_CWORD behind= option verb= at=0 i\n"
    "    local options first rest\n"
    "    COMPREPLY=()\n"
    "    if [[ $cur == = ]]; then\n"
    "        cur= behind=1\n"
    "    elif [[ ${COMP_WORDS[n - 1]} == = ]]; then\n"
    "        n=$((n - 1)) behind=1\n"
    "    fi\n"
    "    option=${COMP_WORDS[n - 1]}\n"
    "    if [[ $behind && $n -gt 1 && ${COMP_WORDS[n - 2]} == --set ]]; then\n"
    "        option=--${option//_/-}\n"
    "    fi\n"
    "    if _phiscope_value; then return; fi\n"
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        if _phiscope_takes_value \"${COMP_WORDS[i]}\"; then\n"
    "            i=$((i + 1))\n"
    "            [[ ${COMP_WORDS[i]} == = ]] && i=$((i + 1))\n"
    "            [[ ${COMP_WORDS[i + 1]} == = ]] && i=$((i + 2))\n"
    "        elif [[ ${COMP_WORDS[i]} != -* ]]; then\n"
    "            [[ $verb ]] && at=$((at + 1))\n"
    "            [[ $verb ]] || verb=${COMP_WORDS[i]}\n"
    "        fi\n"
    "    done\n"
    "    case $verb in\n";

static const char bash_end[] = "    *) options= first= rest='_phiscope_paths -f' ;;\n"
                               "    esac\n"
                               "    if [[ $cur == -* ]]; then\n"
                               "        _phiscope_words \"$options\"\n"
                               "    elif [[ $first && $at == 0 ]]; then\n"
                               "        _phiscope_words \"$first\"\n"
                               "    else\n"
                               "        $rest\n"
                               "    fi\n"
                               "    if [[ ! $verb && $cur != -* ]]; then\n"
                               "        local pictures\n"
                               "        mapfile -t pictures < <(compgen -f -- \"$cur\")\n"
                               "        COMPREPLY+=(\"${pictures[@]}\")\n"
                               "    fi\n"
                               "}\n"
                               "\n"
                               "complete -F _phiscope phiscope\n";

void describe_bash(void)
{
    bool begun = false;
    printf("# Completion of phiscope for bash, %s.\n\n%s", made, bash_begin);
    printf("_phiscope_settings() {\n    compopt -o nospace 2>/dev/null\n    _phiscope_words '");
    put_setting_names("=");
    printf("'\n}\n\n_phiscope_topics() { _phiscope_words '");
    put_topics();
    printf("'; }\n\n"
           "# The value of $option; fails where it takes none.\n"
           "_phiscope_value() {\n    case $option in\n");
    bash_values(bash_value, NULL);
    printf("    *) return 1 ;;\n    esac\n}\n\n_phiscope_takes_value() {\n    case $1 in\n    ");
    bash_values(bash_skip, &begun);
    printf(") ;;\n    *) return 1 ;;\n    esac\n}\n\n%s", bash_middle);
    printf("    '')\n        options='--version ");
    each_option(NULL, bash_name, NULL);
    printf("' first='");
    for (int i = 0; i < n_verbs; i++)
        if (verb_table[i].help) printf("%s ", verb_table[i].name);
    printf("' rest=\n        ;;\n");
    for (int i = 0; i < n_verbs; i++)
        if (verb_table[i].help) bash_verb(&verb_table[i]);
    fputs(bash_end, stdout);
}

/* -- zsh -------------------------------------------------------------------------------------- */

static void zsh_option(const struct shown_option *o, void *user)
{
    (void)user;
    static const char *const does[] = {[VALUES_OTHER] = " ",
                                       [VALUES_FILES] = "_files",
                                       [VALUES_FOLDERS] = "_files -/",
                                       [VALUES_MODELS] = "_phiscope_models",
                                       [VALUES_SETTINGS] = "_phiscope_settings"};
    const char *equal = o->arg ? "=" : "", *plus = o->arg ? "+" : "";
    if (o->letter && o->many)
        printf("    '*'{-%c%s,--%s%s}'[", o->letter, plus, o->name, equal);
    else if (o->letter)
        printf("    '(-%c --%s)'{-%c%s,--%s%s}'[", o->letter, o->name, o->letter, plus, o->name,
               equal);
    else
        printf("    '%s--%s%s[", o->many ? "*" : "", o->name, equal);
    put_quoted(o->help, "[]\\:");
    printf("]");
    if (o->arg) {
        printf(":");
        put_quoted(o->arg, "\\:");
        printf(":");
        if (o->values == VALUES_LISTED)
            printf("(%s)", o->listed);
        else
            printf("%s", does[o->values]);
    }
    printf("'\n");
}

static void zsh_words(const struct verb *v)
{
    static const char *const does[] = {[WORDS_NONE] = NULL,
                                       [WORDS_FILES] = "_files",
                                       [WORDS_FOLDERS] = "_files -/",
                                       [WORDS_MODELS] = "_phiscope_models",
                                       [WORDS_TOPICS] = "_phiscope_topics"};
    if (v->first) {
        printf(" '1:word:(");
        put_first_words(v->first);
        printf(")'");
    }
    if (does[v->words]) printf(" '*:word:%s'", does[v->words]);
}

static const char zsh_begin[] = "_phiscope_models() {\n"
                                "  local -a names\n"
                                "  names=(${(f)\"$(phiscope models --json 2>/dev/null | "
                                "sed -n 's/^{\"name\":\"\\([^\"\\\\]*\\)\".*/\\1/p')\"})\n"
                                "  (( $#names )) && compadd -a names\n"
                                "  _files -/\n"
                                "}\n"
                                "\n";

static void zsh_setting_value(const struct shown_option *o, void *user)
{
    (void)user;
    const struct setting *spec = setting_find(o->name, SETTING_SHOWN);
    if (!spec || o->values != VALUES_LISTED) return;
    char *name = must(setting_name(spec));
    printf("    (%s) compadd %s ;;\n", name, o->listed);
    free(name);
}

static void zsh_settings(void)
{
    printf("_phiscope_settings() {\n"
           "  if compset -P '*='; then\n"
           "    case ${${IPREFIX%%=}##*=} in\n");
    each_option(NULL, zsh_setting_value, NULL);
    printf("    esac\n"
           "  else\n"
           "    compadd -S = -q ");
    put_setting_names("");
    printf("\n  fi\n}\n\n_phiscope_topics() { compadd ");
    put_topics();
    printf("; }\n\n");
}

void describe_zsh(void)
{
    printf("#compdef phiscope\n# Completion of phiscope for zsh, %s.\n\n%s", made, zsh_begin);
    zsh_settings();
    printf("_phiscope() {\n"
           "  local curcontext=$curcontext state state_descr line ret=1\n"
           "  local -a common verbs\n"
           "  typeset -A opt_args\n"
           "  common=(\n");
    each_option(NULL, zsh_option, NULL);
    printf("  )\n  verbs=(\n");
    for (int i = 0; i < n_verbs; i++) {
        if (!verb_table[i].help) continue;
        printf("    '%s:", verb_table[i].name);
        put_quoted(verb_table[i].help, "\\:");
        printf("'\n");
    }
    printf("  )\n"
           "  _arguments -C '--version[the version]' $common '1: :->verb' '*:: :->rest' && ret=0\n"
           "  case $state in\n"
           "  verb)\n"
           "    _describe -t verbs verb verbs && ret=0\n"
           "    _files && ret=0\n"
           "    ;;\n"
           "  rest)\n"
           "    case $line[1] in\n");
    for (int i = 0; i < n_verbs; i++) {
        const struct verb *v = &verb_table[i];
        if (!v->help) continue;
        printf("    %s)\n      local -a own\n      own=(\n", v->name);
        each_own_option(v, zsh_option, NULL);
        printf("      )\n      _arguments $own%s", v->options & OPTION_COMMON ? " $common" : "");
        zsh_words(v);
        printf(" && ret=0\n      ;;\n");
    }
    printf("    *) _files && ret=0 ;;\n"
           "    esac\n    ;;\n  esac\n  return ret\n}\n\n"
           "if [[ $funcstack[1] == _phiscope ]]; then _phiscope \"$@\"; "
           "else compdef _phiscope phiscope; fi\n");
}

/* -- fish ------------------------------------------------------------------------------------- */

static void fish_option(const struct shown_option *o, void *user)
{
    static const char *const does[] = {[VALUES_NONE] = "",
                                       [VALUES_OTHER] = " -x",
                                       [VALUES_FILES] = " -r -F",
                                       [VALUES_FOLDERS] = " -x -a '(__fish_complete_directories)'",
                                       [VALUES_MODELS] = " -x -a '(__phiscope_models)'",
                                       [VALUES_SETTINGS] = " -x -a '(__phiscope_settings)'"};
    printf("complete -c phiscope -n '%s' -l %s", (const char *)user, o->name);
    if (o->letter) printf(" -s %c", o->letter);
    if (o->values == VALUES_LISTED)
        printf(" -x -a '%s'", o->listed);
    else
        printf("%s", does[o->values]);
    printf(" -d '");
    put_quoted(o->help, "\\");
    printf("'\n");
}

static void fish_verb(const struct verb *v)
{
    static const char *const does[] = {[WORDS_NONE] = "-f",
                                       [WORDS_FILES] = "-F",
                                       [WORDS_FOLDERS] = "-f -a '(__fish_complete_directories)'",
                                       [WORDS_MODELS] = "-f -a '(__phiscope_models)'",
                                       [WORDS_TOPICS] = "-f -a '(__phiscope_topics)'"};
    char *seen = xasprintf("__fish_seen_subcommand_from %s", v->name);
    printf("complete -c phiscope -n __fish_use_subcommand -a %s -d '", v->name);
    put_quoted(v->help, "\\");
    printf("'\ncomplete -c phiscope -n '%s' %s\n", seen, does[v->words]);
    if (v->first) {
        printf("complete -c phiscope -n '%s' -a '", seen);
        put_first_words(v->first);
        printf("'\n");
    }
    each_own_option(v, fish_option, seen);
    free(seen);
}

static void fish_setting(const struct shown_option *o, void *user)
{
    (void)user;
    const struct setting *spec = setting_find(o->name, SETTING_SHOWN);
    if (!spec) return;
    char *name = must(setting_name(spec)), *values = xstrdup(o->listed), *rest = values;
    if (o->values != VALUES_LISTED) printf(" %s=", name);
    for (char *value; o->values == VALUES_LISTED && (value = strsep(&rest, " "));)
        printf(" %s=%s", name, value);
    free(values);
    free(name);
}

void describe_fish(void)
{
    printf("# Completion of phiscope for fish, %s.\n\n"
           "function __phiscope_models\n"
           "    phiscope models --json 2>/dev/null | string replace -rf "
           "'^\\{\"name\":\"([^\"]*)\".*' '$1'\n"
           "    __fish_complete_directories\n"
           "end\n\n"
           "function __phiscope_settings\n    printf '%%s\\n'",
           made);
    each_option(NULL, fish_setting, NULL);
    printf("\nend\n\nfunction __phiscope_topics\n    printf '%%s\\n' ");
    put_topics();
    printf("\nend\n\n");
    for (int i = 0; i < n_verbs; i++)
        if (verb_table[i].help) fish_verb(&verb_table[i]);
    char *common = xstrdup("not __fish_seen_subcommand_from");
    for (int i = 0; i < n_verbs; i++) {
        if (!verb_table[i].help || verb_table[i].options & OPTION_COMMON) continue;
        char *longer = xasprintf("%s %s", common, verb_table[i].name);
        free(common);
        common = longer;
    }
    printf("complete -c phiscope -n __fish_use_subcommand -l version -d 'the version'\n");
    each_option(NULL, fish_option, common);
    free(common);
}
