/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"

static const struct option long_options[] = {
    {"pool", required_argument, NULL, 'p'},          {"device-key", required_argument, NULL, 'k'},
    {"first", required_argument, NULL, 'f'},         {"count", required_argument, NULL, 'n'},
    {"mode", required_argument, NULL, 'm'},          {"connections", required_argument, NULL, 'c'},
    {"address", required_argument, NULL, 'a'},       {"path", required_argument, NULL, 'u'},
    {"ca-file", required_argument, NULL, 'C'},       {"user", required_argument, NULL, 'U'},
    {"password-file", required_argument, NULL, 'P'}, {"module", required_argument, NULL, 'M'},
    {"uri", required_argument, NULL, 'K'},           {"pin-file", required_argument, NULL, 'I'},
    {"rounds", required_argument, NULL, 'r'},        {NULL, 0, NULL, 0},
};

static int usage(void)
{
    fputs(
        "usage: pkienroll-bench csrs --pool FILE --count N [--device-key rsa-2048|p-256]\n"
        "       pkienroll-bench calibrate --pool FILE --module PATH --uri URI --pin-file FILE [--rounds N]\n"
        "       pkienroll-bench load --mode enroll|policy --address HOST:PORT --path PATH --ca-file FILE\n"
        "                       --user NAME --password-file FILE --connections N --count N [--pool FILE] "
        "[--first N]\n"
        "bench/run drives it: make bench\n",
        stderr);
    return 2;
}

static bool take(int c, struct bench_options *o)
{
    const char **const texts[] = {['p'] = &o->pool,    ['a'] = &o->address, ['u'] = &o->path,
                                  ['C'] = &o->ca_file, ['U'] = &o->user,    ['P'] = &o->password_file,
                                  ['M'] = &o->module,  ['K'] = &o->uri,     ['I'] = &o->pin_file};

    switch (c) {
    case 'k':
        o->ec = strcmp(optarg, "p-256") == 0;
        return o->ec || strcmp(optarg, "rsa-2048") == 0;
    case 'm':
        o->mode = strcmp(optarg, "policy") == 0 ? BENCH_POLICY : BENCH_ENROLL;
        return o->mode == BENCH_POLICY || strcmp(optarg, "enroll") == 0;
    case 'f':
        o->first = strtoul(optarg, NULL, 10);
        return true;
    case 'n':
        o->count = strtoul(optarg, NULL, 10);
        return o->count > 0 && o->count <= 10000000;
    case 'c':
        o->connections = (unsigned)strtoul(optarg, NULL, 10);
        return o->connections > 0 && o->connections <= 4096;
    case 'r':
        o->rounds = (unsigned)strtoul(optarg, NULL, 10);
        return o->rounds > 0;
    case '?':
        return false;
    default:
        *texts[c] = optarg;
        return true;
    }
}

int main(int argc, char **argv)
{
    struct bench_options o = {.count = 1, .connections = 1, .rounds = 200};
    const char *verb = argc > 1 ? argv[1] : "";
    int c;

    while ((c = getopt_long(argc - 1, argv + 1, "", long_options, NULL)) != -1)
        if (!take(c, &o))
            return usage();
    if (strcmp(verb, "csrs") == 0 && o.pool)
        return bench_pool_make(&o);
    if (strcmp(verb, "calibrate") == 0 && o.pool && o.module && o.uri && o.pin_file)
        return bench_calibrate(&o);
    if (strcmp(verb, "load") == 0 && o.address && o.path && o.ca_file && o.user && o.password_file &&
        (o.mode == BENCH_POLICY || o.pool))
        return bench_load(&o);
    return usage();
}
