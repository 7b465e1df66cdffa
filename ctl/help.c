/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/help.h"

#include <string.h>

/* Are the first words of a verb those given? */
static bool starts_with(const struct verb *v, char *const *words, size_t n)
{
    const char *s = v->words;

    for (size_t i = 0; i < n; i++) {
        size_t len = strcspn(s, " ");
        if (!len || strlen(words[i]) != len || memcmp(s, words[i], len) != 0)
            return false;
        s += len + (s[len] == ' ');
    }
    return true;
}

#define WIDTH       80
#define HELP_COLUMN 26

/* Words of @p text from column @p at on, later lines from column @p indent on. */
static void print_wrapped(const char *text, int at, int indent, FILE *out)
{
    bool first = true;

    while (*text) {
        int n = (int)strcspn(text, " ");

        if (!first && at + 1 + n > WIDTH) {
            fprintf(out, "\n%*s", indent, "");
            at = indent;
            first = true;
        }
        at += fprintf(out, "%s%.*s", first ? "" : " ", n, text);
        first = false;
        text += n + (text[n] == ' ');
    }
    fputc('\n', out);
}

static void print_usage(const struct verb *v, FILE *out)
{
    int n = fprintf(out, "  %s", v->words);

    for (const struct verb_arg *a = NULL; (a = verb_arg_next(v, a));)
        if (verb_arg_is_word(a))
            n += fprintf(out, " <%s>", a->name);
    if (n >= HELP_COLUMN) {
        fputc('\n', out);
        n = 0;
    }
    fprintf(out, "%*s", HELP_COLUMN - n, "");
    print_wrapped(v->help, HELP_COLUMN, HELP_COLUMN, out);
}

static void print_name(const struct verb_arg *a, FILE *out)
{
    fputs("--", out);
    for (const char *p = a->name; *p; p++)
        fputc(*p == '_' ? '-' : *p, out);
}

static void print_option(const struct verb_arg *a, FILE *out)
{
    fputs("  ", out);
    print_name(a, out);
    fputs(a->type == VERB_ARG_FLAG ? ": " : " VALUE: ", out);
    print_wrapped(a->help, 4 + (int)strlen(a->name) + (a->type == VERB_ARG_FLAG ? 2 : 8), 6, out);
}

static void print_details(const struct verb *v, FILE *out)
{
    fprintf(out, "\n%s: ", v->words);
    print_wrapped(v->help, (int)strlen(v->words) + 2, 2, out);
    fprintf(out, "  role: %s%s\n", verb_role_name(v->role),
            v->role & VERB_ROLE_FRONTEND && v->role != VERB_ROLE_FRONTEND ? ", or a frontend" : "");
    for (const struct verb_arg *a = NULL; (a = verb_arg_next(v, a));) {
        if (a->type == VERB_ARG_SECRET)
            fprintf(out, "  --%s-file FILE: %s, from a 0600 file or - for standard input\n", a->name,
                    a->help);
        else if (verb_arg_is_word(a))
            fprintf(out, "  <%s>: %s\n", a->name, a->help);
        else
            print_option(a, out);
    }
    if (v->shape == VERB_SHAPE_LIST)
        fputs("  --all: go on until the end\n", out);
    if (v->id == VERB_EVENTS)
        fputs("  --follow: go on with what happens, over restarts of the daemon\n", out);
    if (v->id == VERB_CERT_SHOW)
        fputs("  --pem: only the certificate, in PEM\n", out);
}

bool help_print(char *const *words, size_t n, FILE *out)
{
    size_t found = 0;

    for (size_t i = 0; i < VERB__MAX; i++)
        found += starts_with(&verbs[i], words, n);
    if (!found)
        return false;
    fputs("usage: pkienrollctl [options] command [arguments]\n\ncommands:\n", out);
    for (size_t i = 0; i < VERB__MAX; i++)
        if (starts_with(&verbs[i], words, n))
            print_usage(&verbs[i], out);
    for (size_t i = 0; n && i < VERB__MAX; i++)
        if (starts_with(&verbs[i], words, n))
            print_details(&verbs[i], out);
    fputs("\noptions:\n"
          "  --socket PATH           socket (PKIENROLL_CONTROL, /run/pkienrolld/control)\n"
          "  --json, --jsonl         one JSON document; one JSON object per line\n"
          "  --timeout DURATION      give up after this long (10s, or what a command needs)\n"
          "  --wait DURATION         until the daemon answers; status: until it is ready\n"
          "  --color auto|always|never\n"
          "  -h, --help              this text, or that of one command\n"
          "  --version               version of this program\n"
          "\nexit status: 0 done, 1 refused or not found, 2 usage, 3 simulate: it\n"
          "would be refused, 4 simulate: it would wait, 69 no daemon answers;\n"
          "see pkienrollctl(8)\n",
          out);
    return true;
}

static bool takes_file(const struct verb *v)
{
    for (const struct verb_arg *a = NULL; (a = verb_arg_next(v, a));)
        if (verb_arg_is_word(a) && a->type == VERB_ARG_FILE)
            return true;
    return false;
}

void help_commands(FILE *out)
{
    for (size_t i = 0; i < VERB__MAX; i++) {
        fprintf(out, "%s\t%s\t%s\t%s\t%s\t", verbs[i].words, verbs[i].method, verbs[i].path,
                verb_role_name(verbs[i].role), verbs[i].token);
        for (const struct verb_arg *a = NULL; (a = verb_arg_next(&verbs[i], a));)
            if (verb_arg_is_option(a) && a->type != VERB_ARG_FLAG) {
                fputc(' ', out);
                print_name(a, out);
            }
        fputs(takes_file(&verbs[i]) ? "\tfile\n" : "\t\n", out);
    }
}
