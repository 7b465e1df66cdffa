/* SPDX-License-Identifier: Apache-2.0 */
/** @file What one configuration says about a key: how to open it, its PIN, the floor of its issuer. key role
 * only. */
#ifndef DAEMON_KEY_SETUP_H
#define DAEMON_KEY_SETUP_H

#include "ca/crl_floor.h"
#include "ca/floor.h"
#include "daemon/common/conf.h"
#include "keystore/keystore.h"

struct key_setup {
    struct ks_config config; /* borrows from the fields below */
    struct pke_secret *pin;  /* NULL: none */
    char *uri, *module, *tcti, *latch_directory;
    struct ca_floor *floor;
    struct ca_crl_limits crl;
    uint64_t deadline, health_interval, keep_alive; /* ms; the last two: 0 is never */
};

/**
 * Read PIN and issuer certificate of the key @p name. Blocks on disk.
 * @return PKE_OK with *ret (NULL when this configuration has no such key any more: main will stop the
 * process), or PKE_CONFIG.
 */
enum pke_err key_setup_load(const struct conf *conf, const char *name, struct key_setup **ret,
                            struct pke_fail *fail);
void key_setup_free(struct key_setup *s); /* accepts NULL */

/** The same key, opened the same way: a session opened for one serves the other. Accepts NULL. */
bool key_setup_same(const struct key_setup *a, const struct key_setup *b);

/** As key_setup_same, but for the PIN. */
bool key_setup_same_key(const struct key_setup *a, const struct key_setup *b);

#endif
