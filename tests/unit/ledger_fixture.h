/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What the ledger's unit tests share: a private directory with one writer and one reader, and sample
 * attempts.
 */
#ifndef TESTS_UNIT_LEDGER_FIXTURE_H
#define TESTS_UNIT_LEDGER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/mem.h"
#include "ledger/ledger.h"
#include "ledger/read.h"

#define T0 1700000000000 /* ms */

/* One private directory, one ledger, one arena per test. */
struct fixture {
    char dir[64], path[96];
    struct ledger *l;
    struct ledger_reader *r;
    struct pke_arena *arena;
    struct pke_fail fail;
};

static inline int set_up(void **state)
{
    struct fixture *f = pke_calloc(1, sizeof *f);

    snprintf(f->dir, sizeof f->dir, "/tmp/pke-ledger-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/l.db", f->dir);
    f->arena = pke_arena_new();
    assert_int_equal(ledger_open(f->path, &f->l, &f->fail), PKE_OK);
    assert_int_equal(ledger_reader_open(f->path, &f->r, &f->fail), PKE_OK);
    *state = f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    DIR *d;

    ledger_reader_close(f->r);
    ledger_close(f->l);
    pke_arena_free(f->arena);
    d = opendir(f->dir);
    for (struct dirent *e; (e = readdir(d));)
        (void)unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    return 0;
}

/* An attempt whose names, key, serial, SPKI and TBS all follow from @p n. */
struct sample {
    char request_id[PKE_UUID_LEN + 1], device[40];
    uint8_t serial[16], issuer[20], spki[32], tbs[300], der[340];
    size_t der_n;
    struct pke_pair context[2];
    struct ledger_intent in;
};

static inline void sample(struct sample *s, unsigned n)
{
    memset(s, 0, sizeof *s);
    snprintf(s->request_id, sizeof s->request_id, "%08x-0000-4000-8000-000000000000", n);
    snprintf(s->device, sizeof s->device, "dev-%u", n);
    memset(s->tbs, (int)(n & 0xff), sizeof s->tbs);
    memcpy(s->tbs, &n, sizeof n);
    s->serial[0] = 0x41;
    memcpy(s->serial + 12, &n, sizeof n);
    memset(s->issuer, 7, sizeof s->issuer);
    memcpy(s->spki, &n, sizeof n);
    s->der[0] = 0x30;
    s->der[1] = 0x82;
    s->der[2] = 0x01;
    s->der[3] = 0x4c;
    memcpy(s->der + 4, s->tbs, sizeof s->tbs);
    s->der_n = 4 + sizeof s->tbs + 32;
    s->context[0] = (struct pke_pair){"DeviceName", "Ada's \"PC\"\xc3\xa9"};
    s->context[1] = (struct pke_pair){"Empty", ""};
    s->in = (struct ledger_intent){
        .request = {.request_id = s->request_id,
                    .tenant = "default",
                    .principal = "ada@corp.example",
                    .credential = "username",
                    .endpoint = "enroll",
                    .template_name = "device",
                    .operation = "issue",
                    .stage = "enroll",
                    .device_id = s->device,
                    .enrollment_type = "Full",
                    .device_name = "PC",
                    .hwdev_id = "HW",
                    .source = "192.0.2.1",
                    .context = {s->context, 2},
                    .request = PKE_BYTES("csr", 3),
                    .at = T0 + n},
        .issuer_id = PKE_BYTES(s->issuer, sizeof s->issuer),
        .serial = PKE_BYTES(s->serial, sizeof s->serial),
        .tbs = PKE_BYTES(s->tbs, sizeof s->tbs),
        .spki_sha256 = PKE_BYTES(s->spki, sizeof s->spki),
        .subject = "CN=ada@corp.example",
        .ent_dmid = "11111111-2222-4333-8444-555555555555",
        .not_before = T0 / 1000 - 600,
        .not_after = T0 / 1000 + 86400,
    };
    memcpy(s->in.idempotency_key, &n, sizeof n);
}

static inline struct pke_bytes der_of(const struct sample *s)
{
    return PKE_BYTES(s->der, s->der_n);
}

static inline void begin(struct fixture *f)
{
    assert_int_equal(ledger_begin(f->l, &f->fail), PKE_OK);
}

static inline void commit(struct fixture *f)
{
    assert_int_equal(ledger_commit(f->l, &f->fail), PKE_OK);
}

static inline void do_intent(struct fixture *f, struct sample *s)
{
    begin(f);
    assert_int_equal(ledger_intent(f->l, &s->in, &f->fail), PKE_OK);
    commit(f);
}

static inline void do_issue(struct fixture *f, struct sample *s)
{
    do_intent(f, s);
    begin(f);
    assert_int_equal(ledger_issued(f->l, s->request_id, der_of(s), s->in.request.at + 50, &f->fail), PKE_OK);
    commit(f);
}

static inline void assert_audit_whole(struct fixture *f, uint64_t rows)
{
    struct ledger_verdict v;

    assert_int_equal(ledger_audit_verify(f->r, &v, &f->fail), PKE_OK);
    assert_null(v.problem);
    assert_int_equal(v.first_bad, 0);
    assert_int_equal(v.rows, rows);
    assert_int_equal(v.head_seq, rows);
}

static inline void sql(const char *path, const char *text)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static inline void shut(struct fixture *f)
{
    ledger_reader_close(f->r);
    ledger_close(f->l);
    f->l = NULL;
    f->r = NULL;
}

#endif
