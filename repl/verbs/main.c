/* SPDX-License-Identifier: GPL-3.0-or-later
 * phiscope: the table of verbs, and finding the one to run. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "common/files.h"
#include "common/must.h"
#include "common/nearest_name.h"
#include "common/remarks.h"
#include "net/fetch.h"
#include "notebook/decode_thread.h"
#include "notebook/engine.h"
#include "notebook/load.h"
#include "notebook/settings_file.h"
#include "tty/fault.h"
#include "tty/repl.h"
#include "verbs/model_choice.h"
#include "verbs/pull.h"
#include "verbs/verbs.h"

static int print_version(void)
{
    printf("phiscope %s\n", phi3v_version());
    return EXIT_FINE;
}

static int version_main(struct options *opt, int argc, char **argv)
{
    if (argc > 1) return verb_misuse(opt, "version takes no words, not \"%s\"", argv[1]);
    return print_version();
}

static int bench_verb(struct options *opt, int argc, char **argv)
{
    const char *model = model_choice_name(opt);
    return bench_main(argc, argv, model ? model : "default", model_choice_dirs());
}

/* The file of :set --save, for the caller to free; NULL without a home. */
static char *settings_path(void)
{
    char *dir = xdg_dir("XDG_CONFIG_HOME", ".config");
    char *path = dir ? xasprintf("%s/config", dir) : NULL;
    free(dir);
    return path;
}

/* Reads the command line, which was found good, again over the settings kept by :set --save. */
static void begin_with_kept(struct options *opt, int argc, char **argv)
{
    struct phi3v_error err;
    struct strings wrong = {0};
    char *path = settings_path();
    options_free(opt);
    options_init(opt);
    opt->program = argv[0];
    if (path && settings_file_read(&opt->set, path, &wrong, &err))
        verb_report_error(opt, &err, EXIT_FINE);
    for (size_t i = 0; i < wrong.n; i++) {
        refuse(&err, PHI3V_E_IO, "%.200s: %.250s: it is left out", path, wrong.v[i]);
        verb_report_error(opt, &err, EXIT_FINE);
    }
    strings_free(&wrong);
    free(path);
    options_parse(opt, argc, argv, OPTION_COMMON, true, &err);
}

/* Runs the notebook with a file and pictures from the command line. */
static int notebook(const struct options *opt, const struct settings *for_opened, const char *file,
                    const struct strings *pictures)
{
    struct phi3v_error err;
    char *settings_file = settings_path();
    char *key, *name = model_choice_engine(opt);
    int rc = model_choice_api_key(opt, &key, &err);
    struct repl_options how = {.settings = &opt->set,
                               .for_opened = for_opened,
                               .model = name,
                               .api_key = key,
                               .settings_file = settings_file,
                               .model_dirs = model_choice_dirs(),
                               .each_model = model_choice_each,
                               .notebook = file,
                               .go_on = opt->go_on,
                               .pictures = pictures,
                               .no_history = opt->no_history};
    int status = rc ? EXIT_INPUT : EXIT_FINE;
    if (!rc && (rc = pull_offer(opt, &err))) status = verb_model_status(rc);
    if (!rc && (rc = repl_run(&how, &err)))
        status = rc == PHI3V_E_IO ? EXIT_CELL : verb_model_status(rc);
    free(settings_file);
    free(key);
    free(name);
    if (!rc) return EXIT_FINE;
    return verb_report_error(opt, &err, status);
}

/* Handles a command line without a verb: a notebook to open, or pictures to load. */
static int notebook_of_words(struct options *opt, const struct settings *for_opened, int n,
                             char **words)
{
    const char *file = n > 0 && (has_ending(words[0], ".ipynb") || has_ending(words[0], ".jsonl"))
                           ? words[0]
                           : NULL;
    if (file && n > 1) return verb_misuse(opt, "one notebook at a time, please");
    for (int i = 0; !file && i < n; i++)
        if (!strings_add(&opt->images, words[i])) return EXIT_CELL;
    if (isatty(STDIN_FILENO)) return notebook(opt, for_opened, file, &opt->images);
    if (file) return verb_misuse(opt, "a notebook opens in a terminal only; a script can :open it");
    return script_run(opt, "-");
}

const struct verb verb_table[] = {
    {"ask", ask_main, "[-i IMAGE]... [options] PROMPT|-", "one answer to standard output",
     "With - as PROMPT it is read from standard input. Pictures go before the text unless it names "
     "them: <|image_1|>,\n"
     "<|image_2|>, … With --raw, PROMPT is the whole formatted prompt. --json prints one object "
     "with ids and timing.\n"
     "With --json-schema the answer is JSON that follows a JSON Schema; if it reaches "
     "--max-new-tokens before it is\n"
     "complete, it is printed as it is, and the exit status is 1.\n"
     "Example: phiscope ask -i chart.png \"What does this chart show?\"\n",
     OPTION_COMMON | OPTION_CONNECT | OPTION_ASK, NULL, WORDS_NONE},
    {"script", script_main, "FILE|-",
     "runs lines as if typed at the prompt, up to the first failing cell",
     "Each line is what you would type; \"\"\" and a trailing \\ join several lines. --json prints "
     "one object per cell.\n"
     "Without a terminal on standard input, phiscope alone is the same as script -.\n"
     "Example: printf ':load chart.png\\nWhat is this?\\n' | phiscope script -\n",
     OPTION_COMMON | OPTION_CONNECT, NULL, WORDS_FILES},
    {"debug", debug_main, "tokenize|prompt|preprocess|logits|divergence|activations …",
     "shows the stages of the model one by one",
     "debug tokenize [--decode [--keep-special]] [--no-bos]   JSON strings to JSON id arrays, one "
     "per line, or back\n"
     "debug prompt [-i IMG]... RAW_PROMPT                     ids with placeholders\n"
     "debug preprocess -i IMG -o X.npy                        normalised crops, global view first\n"
     "debug logits [-i IMG]... (--ids FILE.json | RAW_PROMPT) [--all] -o X.npy\n"
     "debug divergence --dtype TYPE [-i IMG]... (--ids FILE.json | RAW_PROMPT)   from f32, per "
     "token\n"
     "debug activations [-i IMG]... (--ids FILE.json | RAW_PROMPT) -o X.safetensors\n",
     OPTION_COMMON | OPTION_DEBUG, "tokenize|prompt|preprocess|logits|divergence|activations",
     WORDS_FILES},
    {"eval", eval_main, "[options] QUESTIONS.json",
     "scores a model's answers to questions about pictures",
     "The file lists questions, pictures (relative to it) and what is known about them; "
     "docs/eval.md "
     "describes its format.\n"
     "--json prints one object per answer and then one with the summary. --rounding instead "
     "compares the answers of\n"
     "the model's rounded forms (--dtype, --vision-dtype, --kv) with those of the exact one.\n"
     "Example: phiscope eval -m default training/regression/questions.json\n",
     OPTION_COMMON | OPTION_EVAL, NULL, WORDS_FILES},
    {"quantize", quantize_main, "[-m MODEL] --type q8|q4 FOLDER",
     "writes a copy of a model that opens as q8 or q4 at once",
     "FOLDER gets the packed weights and the model's JSON files; use it with -m FOLDER.\n"
     "Example: phiscope quantize -m microsoft/Phi-3-vision-128k-instruct --type q4 phi3v-q4\n",
     OPTION_COMMON | OPTION_QUANTIZE, NULL, WORDS_FOLDERS},
    {"pull", pull_main, "ORG/NAME[@REV]", "fetches a model from the Hugging Face hub",
     "Fetches only what running the model needs, into the cache shared with Python's "
     "huggingface_hub (HF_HOME names\n"
     "another folder). If it is interrupted, the same command continues from there. hf://ORG/NAME "
     "and web addresses\n"
     "of the hub work too. Gated models need a token (HF_TOKEN, or hf auth login). Prints the "
     "model's folder.\n"
     "Example: phiscope pull microsoft/Phi-3.5-vision-instruct\n",
     OPTION_COMMON, NULL, WORDS_NONE},
    {"kernel", kernel_main, "install [--prefix DIR] | -f CONNECTION_FILE",
     "the notebook in Jupyter",
     "install writes the kernelspec, so that JupyterLab offers phiscope; Jupyter then starts it "
     "with -f.\n"
     "Example: phiscope kernel install\n",
     OPTION_COMMON | OPTION_KERNEL | OPTION_CONNECT, "install", WORDS_NONE},
    {"serve", serve_main, "[-m MODEL] [--host ADDRESS] [--port N] [--api-key-file FILE]",
     "serves the model over HTTP to OpenAI's clients",
     "Answers /v1/chat/completions with text and pictures, streamed or whole, several at once; "
     "see docs/serve.md.\n"
     "Settings such as --temperature are defaults for requests. Ctrl-C finishes the running "
     "answers, then ends.\n"
     "Example: phiscope serve --port 8080\n",
     OPTION_COMMON | OPTION_SERVE, NULL, WORDS_NONE},
    {"models", models_main, "[rm NAME]", "lists models on this machine: size, missing files",
     "models rm ORG/NAME asks, then removes a model from the Hugging Face cache, with all its "
     "revisions.\n"
     "Example: phiscope models rm microsoft/Phi-3.5-vision-instruct\n",
     OPTION_COMMON, "rm", WORDS_MODELS},
    {"doctor", doctor_main, "[-m MODEL]", "checks this machine, this build and a model",
     "Reports on processor, devices, memory, libraries, terminal, the model's files and tensors, "
     "and whether the\n"
     "built-in model still gives a known answer. Marks what is wrong, and then ends with status "
     "1.\n"
     "Example: phiscope doctor -m microsoft/Phi-3.5-vision-instruct\n",
     OPTION_COMMON, NULL, WORDS_NONE},
    {"devices", devices_main, "", "lists the devices that can run a model, and why others cannot",
     NULL, OPTION_COMMON, NULL, WORDS_NONE},
    {"bench", bench_verb, "[-m MODEL | --synthetic phi3v] [--case NAME[,NAME]] [--json]",
     "measures speeds as shares of this machine's limits",
     "Cases: tg (decoding), pp (prompts), vision (crops), turn (first token for a picture), edit "
     "(first token for\n"
     "another question), and more. phiscope bench --help lists them and the options.\n"
     "Example: phiscope bench --case tg,pp\n",
     0, NULL, WORDS_NONE},
    {"version", version_main, "", "prints the version", NULL, 0, NULL, WORDS_NONE},
    {"help", help_main, "[TOPIC]", "this help, or that on a verb, a :command or settings", NULL, 0,
     NULL, WORDS_TOPICS},
    {"describe", describe_main, "man|bash|zsh|fish", NULL,
     "Writes the manual page, or a shell's completions, to standard output.\n", 0,
     "man|bash|zsh|fish", WORDS_NONE},
};
const int n_verbs = (int)(sizeof verb_table / sizeof verb_table[0]);

static const char *verb_name(int i, void *user)
{
    (void)user;
    return verb_table[i].help ? verb_table[i].name : "";
}

static const struct verb *find_verb(const char *name)
{
    for (int i = 0; i < n_verbs; i++)
        if (!strcmp(verb_table[i].name, name)) return &verb_table[i];
    return NULL;
}

int verb_misuse(const struct options *opt, const char *format, ...)
{
    struct phi3v_error err = {.code = PHI3V_E_ARGUMENT};
    va_list ap;
    va_start(ap, format);
    vsnprintf(err.text, sizeof err.text, format, ap);
    va_end(ap);
    return verb_report_error(opt, &err, EXIT_USAGE);
}

/* Checks that the options fit together. */
static int check_options(const struct options *opt, int use)
{
    if (opt->raw && !(use & (OPTION_ASK | OPTION_DEBUG)))
        return verb_misuse(opt, "--raw is for ask: PROMPT is the whole formatted prompt then");
    if (!opt->connect) return EXIT_FINE;
    if (!(use & OPTION_CONNECT))
        return verb_misuse(opt, "--connect is for ask, script, kernel and the notebook");
    if (!engine_is_address(opt->connect))
        return verb_misuse(opt, "--connect needs a server's address, such as "
                                "http://127.0.0.1:8000/v1");
    return EXIT_FINE;
}

int verb_options(struct options *opt, int argc, char **argv, char ***ret_words, int *ret_n)
{
    struct phi3v_error err;
    const struct verb *verb = find_verb(argv[0]);
    assert(verb);
    int at = options_parse(opt, argc, argv, verb->options, false, &err);
    if (at < 0) return verb_report_error(opt, &err, EXIT_USAGE);
    int status = check_options(opt, verb->options);
    if (status) return status;
    if (opt->help) {
        help_verb(verb);
        return EXIT_FINE;
    }
    *ret_words = argv + at;
    *ret_n = argc - at;
    return -1;
}

/* A word with a dot or a slash was meant as a file. */
static int unknown_verb(const struct options *opt, const char *word)
{
    struct phi3v_error err;
    struct stat st;
    if (strpbrk(word, "./")) {
        if (stat(word, &st))
            refuse(&err, PHI3V_E_IO, "cannot open %.300s: %s", word, strerror(errno));
        else
            refuse(&err, PHI3V_E_IO, "%.300s is neither a picture nor a notebook", word);
        return verb_report_error(opt, &err, EXIT_INPUT);
    }
    const char *near = nearest_name(word, n_verbs, verb_name, NULL);
    if (near) return verb_misuse(opt, "unknown verb \"%s\": did you mean %s?", word, near);
    return verb_misuse(opt, "unknown verb \"%s\": phiscope help lists them", word);
}

static int dispatch(struct options *opt, int argc, char **argv)
{
    struct phi3v_error err;
    if (argc > 1 && !strcmp(argv[1], "--version")) return print_version();
    int at = options_parse(opt, argc, argv, OPTION_COMMON, true, &err);
    if (at < 0) return verb_report_error(opt, &err, EXIT_USAGE);
    if (opt->help) {
        help_print();
        return EXIT_FINE;
    }
    const struct verb *verb = at < argc ? find_verb(argv[at]) : NULL;
    if (verb) return verb->run(opt, argc - at, argv + at);
    bool known = at == argc || has_ending(argv[at], ".ipynb") || has_ending(argv[at], ".jsonl") ||
                 names_picture(argv[at]) || is_plain_file(argv[at]);
    if (!known) return unknown_verb(opt, argv[at]);
    int status = check_options(opt, OPTION_CONNECT);
    if (status) return status;
    if (!isatty(STDIN_FILENO)) return notebook_of_words(opt, NULL, argc - at, argv + at);
    struct settings said;
    if (settings_copy(&said, &opt->set, NULL)) must(NULL);
    begin_with_kept(opt, argc, argv);
    status = notebook_of_words(opt, &said, argc - at, argv + at);
    settings_free(&said);
    return status;
}

/* A standard stream that is closed would become the next file we open, and what is written to it
 * would go into that file. Opened the wrong way round, it fails as a closed one does. */
static void fill_closed_streams(void)
{
    static const int wrong_way[] = {O_WRONLY, O_RDONLY, O_RDONLY};
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0) open("/dev/null", wrong_way[fd]); /* takes the lowest number */
}

/* Checks that standard output took everything. If not, the status says so, with a sentence unless
 * an error was reported before. */
static int end_output(int status)
{
    errno = 0;
    if (!fflush(stdout) && !ferror(stdout)) return status;
    if (!status)
        fprintf(stderr, "phiscope: standard output cannot be written: %s\n",
                strerror(errno ? errno : EIO));
    return status ? status : EXIT_CELL;
}

int main(int argc, char **argv)
{
    fill_closed_streams();
    setlocale(LC_ALL, "");
    setlocale(LC_NUMERIC, "C"); /* numbers in files and JSON always have a decimal point */
    struct options opt;
    remarks_begin();
    fault_catch(EXIT_MODEL);
    options_init(&opt);
    opt.program = argv[0];
    fetch_global_init();
    int status = dispatch(&opt, argc, argv);
    decode_finish();
    fetch_global_fini();
    options_free(&opt);
    return end_output(status);
}
