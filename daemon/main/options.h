/* SPDX-License-Identifier: Apache-2.0 */
/** @file Command line of pkienrolld. */
#ifndef DAEMON_MAIN_OPTIONS_H
#define DAEMON_MAIN_OPTIONS_H

#include "daemon/common/msg.h"

enum options_mode {
    MODE_RUN,
    MODE_ROLE,
    MODE_CHECK,
    MODE_DUMP,
    MODE_SCHEMA,
    MODE_VERSION,
    MODE_HELP,
    MODE_USAGE
};

struct options {
    enum options_mode mode;
    const char *config;
    int log_level; /* LOG_* */
    /* MODE_ROLE, for main's own use */
    enum role_id role;
    unsigned index;
    const char *name;
};

/** Parse; prints what is wrong on stderr and gives MODE_USAGE. */
void options_parse(int argc, char **argv, struct options *ret);

/** Text of --help. */
void options_help(void);

#endif
