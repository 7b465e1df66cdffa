/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The commands of pkienroll-keytool and their options: one table that the reader, --help, the transcript and
 * the test of the manual page work from.
 */
#ifndef KEYTOOL_OPTIONS_H
#define KEYTOOL_OPTIONS_H

#include "keystore/keystore.h"

/** Where the attestation key is made: the endorsement hierarchy is the manufacturer's and survives an owner
 * that is cleared. */
enum tool_ak_hierarchy { TOOL_AK_ENDORSEMENT, TOOL_AK_OWNER };

struct tool_options {
    struct ks_config config; /* pin is filled in from the file or the credential */
    bool backend_given, tpm_given;
    const char *pin_file, *pin_credential, *new_pin_file, *so_pin_file;
    const char *label, *serial;
    const char *algorithm, *creation, *in;
    const char *subject, *constraints;
    long days, path_len; /* 0, -1: not given */
    const char *out;
    const char *certificate, *csr, *issuer, *root;
    const char *nonce, *ak, *bundle;
    int ak_hierarchy; /* enum tool_ak_hierarchy */
    bool force, store, json;
    const char *transcript;
};

/** Bits of the commands, for the table. */
enum {
    TOOL_INIT_TOKEN = 1 << 0,
    TOOL_GENERATE = 1 << 1,
    TOOL_SHOW = 1 << 2,
    TOOL_CHECK = 1 << 3,
    TOOL_SELF_SIGN = 1 << 4,
    TOOL_CSR = 1 << 5,
    TOOL_ISSUER_CSR = 1 << 6,
    TOOL_CROSS_SIGN = 1 << 7,
    TOOL_IMPORT_CERT = 1 << 8,
    TOOL_ATTEST = 1 << 9,
    TOOL_ATTEST_VERIFY = 1 << 10,
    TOOL_CHANGE_AUTH = 1 << 11,
    TOOL_IMPORT_KEY = 1 << 12,
};

struct tool_command {
    const char *name;
    unsigned bit;
    int (*run)(const struct tool_options *);
    const char *help; /* one line */
};

/** Ends with name NULL. */
extern const struct tool_command tool_commands[];

/**
 * Read the command line. "attest verify" is the same as "attest-verify".
 * @return true with *command set; or false with *rc the status to end with (help and version were printed).
 */
bool tool_parse(int argc, char **argv, struct tool_options *o, const struct tool_command **command, int *rc);

/** Call @p each for every option that was given to this process, with its value ("" for a switch). */
void tool_given(void (*each)(const char *name, const char *value, void *arg), void *arg);

#endif
