/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * pkienroll-bench: the parts of the benchmark that cost too much in a script. bench/run starts the daemon,
 * reads the processes' times and does the arithmetic; this program makes requests (pool.c), measures the
 * cryptography that no implementation can avoid (calibrate.c) and is the clients (load.c).
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

#define BENCH_DEVICE_ID 32
#define BENCH_MAX_FILE  (64u << 20)

enum bench_mode { BENCH_ENROLL, BENCH_POLICY };

struct bench_options {
    const char *pool; /* file of certificate requests */
    bool ec;          /* csrs: P-256 device keys */
    size_t first, count;
    unsigned connections;
    enum bench_mode mode;
    const char *address; /* host:port */
    const char *path;    /* of the endpoint */
    const char *ca_file, *user, *password_file;
    const char *module, *uri, *pin_file; /* calibrate: the CA key */
    unsigned rounds;
};

/** One device's request. Borrowed from the pool's buffer. */
struct bench_csr {
    char device_id[BENCH_DEVICE_ID + 1];
    struct pke_bytes der;
};

/** Append @p o->count new keys and requests to the file @p o->pool; the keys are thrown away. Exit status. */
int bench_pool_make(const struct bench_options *o);

/**
 * Read request @p o->first and the @p o->count - 1 after it. @p file keeps the bytes (pke_buf_done), *ret is
 * an array of o->count (free). PKE_OK, or PKE_CONFIG when the file is not there, is no pool or is too short.
 */
enum pke_err bench_pool_read(const struct bench_options *o, struct pke_buf *file, struct bench_csr **ret,
                             struct pke_fail *fail);

/** Whole file to @p out. */
enum pke_err bench_read_file(const char *path, struct pke_buf *out, struct pke_fail *fail);

/** Prints one JSON object of medians in CPU microseconds. Exit status. */
int bench_calibrate(const struct bench_options *o);

/** Prints one JSON object with the latency of every request. Exit status: 0 when every answer was right. */
int bench_load(const struct bench_options *o);

/** Append a whole HTTP request: GetPolicies when @p csr is NULL, else RST Issue. @p id goes into MessageID.
 */
void bench_message(const struct bench_options *o, const char *password, const struct bench_csr *csr,
                   size_t id, struct pke_buf *out);

/** The MessageID of request @p id. */
void bench_message_id(size_t id, char out[46]);

#endif
