/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Made schema1.db, with the ledger library of the last revision that wrote schema 1 (commit 2c6cd5f):
 *
 *     git archive 2c6cd5f base ledger tests/unit/ledger_fixture.h | tar -x -C DIR
 *     gcc -IDIR -o make_schema1 tests/data/ledger/make_schema1.c DIR/base/[a-z]*.c DIR/ledger/[a-z]*.c \
 *         -lsqlite3 -lcrypto -lcmocka
 *     ./make_schema1 schema1.db
 *
 * It is kept for whoever doubts the file; it does not build against a later ledger.
 */
#include "tests/unit/ledger_fixture.h"

static void issue(struct fixture *f, unsigned n, const char *principal, const char *device, const char *token)
{
    struct sample s;

    sample(&s, n);
    s.in.request.principal = principal;
    s.in.request.device_id = device;
    s.in.token_id = token;
    do_issue(f, &s);
}

static void end_otherwise(struct fixture *f)
{
    struct pke_fail why;
    struct sample s;
    unsigned n;

    pke_fail_set(&why, PKE_KEY_DOWN, "key-down", "keys", "the token was removed");
    sample(&s, 20);
    do_intent(f, &s);
    begin(f);
    if (ledger_failed(f->l, s.request_id, &why, T0 + 20, &f->fail) != PKE_OK)
        abort();
    sample(&s, 21);
    if (ledger_refused(f->l, &s.in.request, &why, &f->fail) != PKE_OK)
        abort();
    commit(f);
    sample(&s, 22);
    do_intent(f, &s);
    if (ledger_abandon_intents(f->l, T0 + 23, &n, &f->fail) != PKE_OK || n != 1)
        abort();
    sample(&s, 24); /* the process died before its result */
    do_intent(f, &s);
}

static void fill(struct fixture *f)
{
    struct ledger_token token = {.token_id = "tok-1",
                                 .tenant = "default",
                                 .principal = "bob@corp.example",
                                 .created_by = "uid=0",
                                 .uses = 2,
                                 .created_at = T0,
                                 .expires_at = T0 + 600000};
    static const uint8_t hash[32] = {1, 2, 3};

    begin(f);
    if (ledger_token_add(f->l, &token, hash, &f->fail) != PKE_OK)
        abort();
    commit(f);
    issue(f, 1, "ada@corp.example", "dev-A", NULL);
    issue(f, 2, "bob@corp.example", "dev-B", "tok-1");
    issue(f, 3, "eve@corp.example", "DEV-a", NULL); /* the same device, taken over */
    issue(f, 4, "ada@corp.example", NULL, NULL);
    end_otherwise(f);
}

int main(int argc, char **argv)
{
    struct fixture f = {0};

    if (argc != 2 || ledger_open(argv[1], &f.l, &f.fail) != PKE_OK)
        return 1;
    fill(&f);
    ledger_close(f.l);
    sql(argv[1], "PRAGMA journal_mode=DELETE; PRAGMA page_size=512; VACUUM"); /* small enough to keep */
    return 0;
}
