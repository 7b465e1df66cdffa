/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Command line of pkienroll-probe.
 */
#ifndef PROBE_OPTIONS_H
#define PROBE_OPTIONS_H

#include <stdbool.h>

#include "base/secret.h"

enum probe_exit { PROBE_GOOD = 0, PROBE_BAD = 1, PROBE_USAGE = 2, PROBE_UNREACHABLE = 69 };

enum probe_type { PROBE_FULL, PROBE_DEVICE };

/** String type of the common name: the three shapes seen from Windows clients. */
enum probe_shape { PROBE_SHAPE_UTF8, PROBE_SHAPE_PRINTABLE, PROBE_SHAPE_NUL };

struct probe_options {
    const char *policy_url; /* NULL with skip_policy */
    const char *enroll_url;
    const char *user;            /* NULL: a token stands for somebody that the run does not know */
    struct pke_secret *password; /* owned; probe_options_done */
    struct pke_secret *token;    /* one-time token, instead of user and password; owned */
    int type;                    /* enum probe_type */
    int shape;                   /* enum probe_shape */
    const char *device_id;       /* NULL: kept in the artefact folder, or random */
    const char *device_name;
    const char *ca_file;
    const char *out; /* artefact folder */
    const char *csr_file;
    const char *key_file;
    long timeout; /* seconds for one exchange */
    bool skip_policy;
    bool json;
};

/**
 * Parse the command line. A password or token given as an argument is overwritten there.
 * @return -1 to go on; otherwise the exit status (help and version: 0, wrong usage: 2, said on stderr).
 */
int probe_options_parse(struct probe_options *opt, int argc, char **argv);

void probe_options_done(struct probe_options *opt);

#endif
