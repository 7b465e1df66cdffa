/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * A table in a file that all auth workers map: sets of a few entries, found by a keyed hash so that nobody
 * can choose names that share a set with a victim's. Entries are only numbers: a torn or foreign one can at
 * worst refuse or let in one name. auth role only.
 */
#ifndef DAEMON_AUTH_SHARED_H
#define DAEMON_AUTH_SHARED_H

#include "base/bytes.h"

#define SHARED_ID_SIZE  16
#define SHARED_KEY_SIZE 32

struct shared {
    int fd;
    void *entries; /* zeros at first; NULL: not open */
    size_t n_sets, set_size;
    uint8_t key[SHARED_KEY_SIZE];
};

/**
 * Open or make the file of @p n_sets (at most 65536) sets of @p set_size bytes, mode 0600 and ours. Its key
 * is derived from @p secret for the purpose @p label. Blocks on disk.
 * @return false with errno; @p s is then closed.
 */
bool shared_open(struct shared *s, const char *path, size_t n_sets, size_t set_size, struct pke_bytes secret,
                 const char *label);
void shared_close(struct shared *s); /* accepts a closed one */

/** Keyed hash of @p name into @p id; returns the set that it belongs to. */
void *shared_set(const struct shared *s, struct pke_bytes name, uint8_t id[SHARED_ID_SIZE]);

/** Between these two no other worker changes an entry. Blocks for microseconds. */
void shared_lock(const struct shared *s);
void shared_unlock(const struct shared *s);

#endif
