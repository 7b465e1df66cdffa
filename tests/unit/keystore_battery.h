/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What every backend of keystore/ must do alike: one set of tests for all of them.
 */
#ifndef TESTS_UNIT_KEYSTORE_BATTERY_H
#define TESTS_UNIT_KEYSTORE_BATTERY_H

#include "keystore/ceremony.h"
#include "keystore/keystore.h"

struct battery {
    struct ks_config config; /* all but the URI */
    const char *uri;         /* with one %s: the name of a key */
    const struct pke_secret *wrong_pin;
};

/** Make a key of the algorithm; the URI is to be freed. */
char *battery_generate(const struct battery *b, const char *name, enum ks_key_algorithm algorithm);
/** Open it; the test fails with the reason when it cannot be. */
struct ks_key *battery_open(const struct battery *b, const char *uri);
/** It must not open, and for this reason (NULL: any); no secret is in the text. */
void battery_must_not_open(const struct ks_config *config, struct pke_bytes spki, enum ks_class cls,
                           const char *reason);
/** One signature, verified here with the public half, whatever ks_sign says. @return what ks_sign returned */
int battery_try_sign(struct ks_key *key, struct ks_error *e);
void battery_must_sign(struct ks_key *key);

/** @p n signatures of a new key, each verified; idle in between; a name that exists is refused. */
void battery_signs(const struct battery *b, const char *name, enum ks_key_algorithm algorithm, unsigned n);
/** The wrong PIN is refused as such, and the right one is taken after it. */
void battery_wrong_pin(const struct battery *b);
/** A key that is not there, and a certificate of another key. */
void battery_missing(const struct battery *b);
void battery_mismatch(const struct battery *b);
/** Each class that can be cured is cured by one recovery. */
void battery_recovers(const struct battery *b);

#endif
