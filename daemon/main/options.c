/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/main/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#define DEFAULT_CONFIG "/etc/pkienrolld/pkienrolld.yaml"

enum { OPT_CHECK = 256, OPT_DUMP, OPT_SCHEMA, OPT_ROLE, OPT_INDEX, OPT_NAME, OPT_VERSION };

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"check-config", no_argument, NULL, OPT_CHECK},
    {"dump-config", no_argument, NULL, OPT_DUMP},
    {"dump-schema", no_argument, NULL, OPT_SCHEMA},
    {"log-level", required_argument, NULL, 'l'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, OPT_VERSION},
    {"role", required_argument, NULL, OPT_ROLE},
    {"index", required_argument, NULL, OPT_INDEX},
    {"name", required_argument, NULL, OPT_NAME},
    {NULL, 0, NULL, 0},
};

static const char *const level_names[] = {"emerg",   "alert",  "crit", "error",
                                          "warning", "notice", "info", "debug"};

static int parse_level(const char *text)
{
    for (int i = 0; i <= LOG_DEBUG; i++)
        if (strcmp(level_names[i], text) == 0)
            return i;
    return -1;
}

static bool take_option(int c, struct options *o)
{
    switch (c) {
    case 'c':
        o->config = optarg;
        return true;
    case 'l':
        o->log_level = parse_level(optarg);
        if (o->log_level < 0)
            fprintf(stderr, "pkienrolld: --log-level takes one of error, warning, notice, info, debug\n");
        return o->log_level >= 0;
    case OPT_CHECK:
        o->mode = MODE_CHECK;
        return true;
    case OPT_DUMP:
        o->mode = MODE_DUMP;
        return true;
    case OPT_SCHEMA:
        o->mode = MODE_SCHEMA;
        return true;
    case OPT_VERSION:
        o->mode = MODE_VERSION;
        return true;
    case 'h':
        o->mode = MODE_HELP;
        return true;
    case OPT_ROLE:
        o->mode = MODE_ROLE;
        o->role = role_from_name(optarg);
        return o->role != ROLE__MAX;
    case OPT_INDEX:
        o->index = (unsigned)strtoul(optarg, NULL, 10);
        return true;
    case OPT_NAME:
        o->name = optarg;
        return true;
    default:
        return false;
    }
}

void options_parse(int argc, char **argv, struct options *ret)
{
    int c;

    *ret = (struct options){.mode = MODE_RUN, .config = DEFAULT_CONFIG, .log_level = LOG_INFO};
    while ((c = getopt_long(argc, argv, "c:l:h", long_options, NULL)) != -1) {
        if (!take_option(c, ret)) {
            ret->mode = MODE_USAGE;
            return;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "pkienrolld: unexpected argument: %s\n", argv[optind]);
        ret->mode = MODE_USAGE;
    }
}

void options_help(void)
{
    fputs("usage: pkienrolld [-c FILE] [-l LEVEL]\n"
          "       pkienrolld [-c FILE] --check-config | --dump-config\n"
          "       pkienrolld --dump-schema | --version | --help\n"
          "\n"
          "  -c, --config FILE   configuration (default " DEFAULT_CONFIG ")\n"
          "  -l, --log-level L   error, warning, notice, info (default) or debug\n"
          "      --check-config  report every error of the file and exit 0 or 78\n"
          "      --dump-config   print the effective configuration\n"
          "      --dump-schema   print the JSON Schema of the configuration\n",
          stdout);
}
