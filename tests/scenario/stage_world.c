/* SPDX-License-Identifier: Apache-2.0 */
/* The world of the roles under test: CA, token, requests, the ledger as others see it. */
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/mem.h"
#include "tests/scenario/stage_impl.h"

/* ---- CA and token ---- */

static void add_extension(X509 *x, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *e;

    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(e);
    assert_int_equal(X509_add_ext(x, e, -1), 1);
    X509_EXTENSION_free(e);
}

static void make_ca_in_file(struct stage *s, const char *constraints)
{
    X509 *x = X509_new();
    X509_NAME *name = X509_get_subject_name(x);
    char path[128];
    FILE *f;

    s->ca_key = EVP_EC_gen("P-256");
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 4711);
    X509_gmtime_adj(X509_getm_notBefore(x), -86400);
    X509_gmtime_adj(X509_getm_notAfter(x), 3650L * 86400);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"Scenario CA", -1, -1, 0);
    X509_set_issuer_name(x, name);
    X509_set_pubkey(x, s->ca_key);
    add_extension(x, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(x, NID_key_usage, "critical,keyCertSign,cRLSign");
    add_extension(x, NID_subject_key_identifier, "hash");
    if (constraints)
        add_extension(x, NID_name_constraints, constraints);
    assert_true(X509_sign(x, s->ca_key, EVP_sha256()) > 0);
    snprintf(path, sizeof path, "%s/ca.pem", s->dir);
    f = fopen(path, "w");
    assert_true(f && PEM_write_X509(f, x));
    fclose(f);
    snprintf(path, sizeof path, "%s/ca.key", s->dir);
    f = fopen(path, "w");
    assert_true(f && PEM_write_PrivateKey(f, s->ca_key, NULL, NULL, 0, NULL, NULL));
    fclose(f);
    chmod(path, 0600);
    X509_free(x);
}

void stage_new_ca(struct stage *s, const char *constraints)
{
    EVP_PKEY_free(s->ca_key);
    make_ca_in_file(s, constraints);
}

static const char *top(const char *variable, const char *fallback)
{
    const char *value = getenv(variable);

    return value ? value : fallback;
}

static void make_ca_in_token(struct stage *s)
{
    const char *src = top("top_srcdir", ".."), *build = top("top_builddir", ".");
    char *command = pke_asprintf("export KEYTOOL='%s/keytool/pkienroll-keytool' SOFTHSM_MODULE='%s'; "
                                 "for part in token certs; do '%s/scripts/lab-setup' %s $part || exit 1; done"
                                 " >/dev/null 2>&1 && mv %s/etc/ca.pem %s/ca.pem",
                                 build, s->softhsm, src, s->dir, s->dir, s->dir);
    char *conf = pke_asprintf("%s/etc/softhsm2.conf", s->dir);

    assert_int_equal(system(command), 0);
    setenv("SOFTHSM2_CONF", conf, 1);
    free(command);
    free(conf);
}

const char *stage_softhsm(void)
{
    static const char *const known[] = {
        "/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so"};

    for (size_t i = 0; i < PKE_LEN(known); i++)
        if (access(known[i], R_OK) == 0)
            return system("command -v softhsm2-util >/dev/null && command -v openssl >/dev/null") == 0
                       ? known[i]
                       : NULL;
    return NULL;
}

char *stage_key_conf(const struct stage *s)
{
    if (s->softhsm)
        return pke_asprintf("    module: %s\n"
                            "    uri: \"pkcs11:token=pkienroll-lab;object=lab-ca\"\n"
                            "    pin-file: %s/etc/pin\n",
                            s->softhsm, s->dir);
    return pke_asprintf("    backend: file\n"
                        "    uri: %s/ca.key\n"
                        "    allow-weak-key: yes\n",
                        s->dir);
}

struct ca_issuer *stage_ca(struct stage *s)
{
    char path[128], pem[65536];
    struct ca_issuer *ca = NULL;
    struct pke_fail fail;
    FILE *f;
    size_t n;

    snprintf(path, sizeof path, "%s/ca.pem", s->dir);
    f = fopen(path, "r");
    assert_non_null(f);
    n = fread(pem, 1, sizeof pem, f);
    fclose(f);
    if (ca_issuer_load(PKE_BYTES(pem, n), PKE_BYTES(NULL, 0), CA_SCHEME_DEFAULT, &ca, &fail) != PKE_OK)
        fail_msg("%s: %s", fail.reason, fail.text);
    return ca;
}

/* ---- the stage ---- */

struct stage *stage_new(const char *softhsm)
{
    struct stage *s = pke_calloc(1, sizeof *s);
    char path[128];

    signal(SIGPIPE, SIG_IGN);
    strcpy(s->dir, "/tmp/pke-scen-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    snprintf(path, sizeof path, "%s/state", s->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    s->base = event_base_new();
    s->arena = pke_arena_new();
    s->softhsm = softhsm;
    s->next_id = 1;
    s->key_deadline = "10s";
    assert_int_equal(RAND_bytes(s->assertion_key, sizeof s->assertion_key), 1);
    if (softhsm)
        make_ca_in_token(s);
    else
        make_ca_in_file(s, NULL);
    return s;
}

static struct ledger_reader *open_reader(struct stage *s)
{
    struct ledger_reader *r = NULL;
    struct pke_fail fail;
    char path[128];

    snprintf(path, sizeof path, "%s/state/ledger.db", s->dir);
    if (ledger_reader_open(path, &r, &fail) != PKE_OK)
        fail_msg("%s", fail.text);
    return r;
}

static void verify_audit(struct stage *s)
{
    struct ledger_reader *r = open_reader(s);
    struct ledger_verdict v;
    struct pke_fail fail;

    assert_int_equal(ledger_audit_verify(r, &v, &fail), PKE_OK);
    assert_null(v.problem);
    assert_int_equal(v.first_bad, 0);
    ledger_reader_close(r);
}

void stage_free(struct stage *s)
{
    char *command = pke_asprintf("rm -rf %s", s->dir);
    bool had_issuer = s->issuer.stage != NULL;

    stage_stop(&s->issuer);
    stage_stop(&s->key);
    if (had_issuer)
        verify_audit(s);
    chan_free(s->net);
    chan_free(s->keyside);
    while (s->answers) {
        struct answer *next = s->answers->next;
        free(s->answers);
        s->answers = next;
    }
    assert_int_equal(system(command), 0);
    free(command);
    EVP_PKEY_free(s->ca_key);
    event_base_free(s->base);
    pke_arena_free(s->arena);
    free(s);
}

void stage_give_end(struct actor *to, enum role_id peer, int fd)
{
    struct msg_link m = {.peer = peer, .name = peer == ROLE_KEY ? "lab" : NULL};
    struct pke_buf b;

    pke_buf_init(&b, 4096);
    assert_int_equal(ipc_record_write(msg_link_fields, &m, &b), PKE_OK);
    chan_send_fd(to->main, MSG_LINK, 0, pke_buf_bytes(&b), fd);
    pke_buf_done(&b);
}

/* ---- the test as control, for a moment ---- */

struct listing {
    unsigned replies;
    bool ready;
};

static void on_control(struct chan *c, const struct ipc_frame *f, int fd, void *arg)
{
    struct listing *l = arg;
    struct pke_arena *arena = pke_arena_new();
    struct msg_verb_reply m;
    struct pke_fail fail;

    (void)c;
    (void)fd;
    assert_int_equal(f->kind, MSG_VERB_REPLY);
    assert_int_equal(ipc_record_read(msg_verb_reply_fields, f->payload, arena, &m, sizeof m, &fail), PKE_OK);
    l->ready = memmem(m.json.p, m.json.n, "\"state\":\"ready\"", 15) != NULL;
    l->replies++;
    pke_arena_free(arena);
}

static void on_control_closed(struct chan *c, const char *why, void *arg)
{
    (void)c;
    (void)arg;
    fail_msg("issuer closed its channel to control: %s", why);
}

void stage_wait_key_ready(struct stage *s)
{
    static const struct chan_ops ops = {on_control, on_control_closed};
    struct msg_verb verb = {.verb = "key-list", .actor = "test"};
    struct listing l = {0};
    struct chan *c;
    int pair[2];
    uint64_t end = process_monotonic_ms() + 20000;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    stage_give_end(&s->issuer, ROLE_CONTROL, pair[0]);
    c = chan_new(s->base, pair[1], IPC_MAX_REQUEST, &ops, &l);
    while (!l.ready && process_monotonic_ms() < end) {
        unsigned replies = l.replies;
        chan_send_record(c, MSG_VERB, 1, msg_verb_fields, &verb);
        stage_wait(s, &l.replies, replies + 1);
    }
    assert_true(l.ready);
    chan_free(c);
}

void stage_verb(struct stage *s, const struct msg_verb *verb)
{
    static const struct chan_ops ops = {on_control, on_control_closed};
    struct listing l = {0};
    struct chan *c;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    stage_give_end(&s->issuer, ROLE_CONTROL, pair[0]);
    c = chan_new(s->base, pair[1], IPC_MAX_REQUEST, &ops, &l);
    chan_send_record(c, MSG_VERB, 1, msg_verb_fields, verb);
    stage_wait(s, &l.replies, 1);
    chan_free(c);
}

/* ---- requests ---- */

const char *stage_uuid(struct stage *s)
{
    uint8_t raw[16];
    char *text = pke_arena_alloc(s->arena, PKE_UUID_LEN + 1);

    assert_int_equal(RAND_bytes(raw, sizeof raw), 1);
    pke_uuid_format(raw, text);
    return text;
}

struct pke_bytes stage_csr(struct stage *s)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509_REQ *req = X509_REQ_new();
    unsigned char *der = NULL;
    struct pke_bytes ret;
    int n;

    X509_REQ_set_version(req, 0);
    X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(req), "CN", MBSTRING_UTF8,
                               (const unsigned char *)"ignored", -1, -1, 0);
    X509_REQ_set_pubkey(req, key);
    assert_true(X509_REQ_sign(req, key, EVP_sha256()) > 0);
    n = i2d_X509_REQ(req, &der);
    assert_true(n > 0);
    ret = pke_arena_bytes(s->arena, PKE_BYTES(der, (size_t)n));
    OPENSSL_free(der);
    X509_REQ_free(req);
    EVP_PKEY_free(key);
    return ret;
}

struct ask stage_ask(struct stage *s, struct pke_bytes csr)
{
    uint8_t *hash = pke_arena_alloc(s->arena, 32);
    uint64_t now = process_monotonic_ms();

    EVP_Digest(csr.p, csr.n, hash, NULL, EVP_sha256(), NULL);
    return (struct ask){.msg = {.generation = s->generation,
                                .commit = 1,
                                .deadline = now + 3000,
                                .trace_id = stage_uuid(s),
                                .endpoint = "enroll",
                                .operation = "issue",
                                .request = csr,
                                .source = "192.0.2.1"},
                        .who = {.tenant = "default",
                                .principal = "ada@corp.example",
                                .kind = "username",
                                .stage = "enroll",
                                .endpoint = "enroll",
                                .request_hash = PKE_BYTES(hash, 32),
                                .expires = now + ASSERTION_LIFETIME_MS},
                        .mac_key = PKE_BYTES(s->assertion_key, sizeof s->assertion_key),
                        .device = stage_uuid(s),
                        .type = "Full"};
}

uint64_t stage_send(struct stage *s, struct ask *ask)
{
    struct pke_buf b;

    if (!ask->msg.assertion.n) {
        pke_buf_init(&b, 65536);
        assert_int_equal(assertion_write(&ask->who, ask->mac_key, &b), PKE_OK);
        ask->msg.assertion = pke_arena_bytes(s->arena, pke_buf_bytes(&b));
        pke_buf_done(&b);
    }
    if (!ask->msg.context.n && ask->device)
        pke_pairs_add(&ask->msg.context, s->arena, "DeviceID", ask->device);
    if (ask->msg.context.n == 1 && ask->type)
        pke_pairs_add(&ask->msg.context, s->arena, "EnrollmentType", ask->type);
    chan_send_record(s->net, MSG_PREPARE, ++s->next_id, msg_prepare_fields, &ask->msg);
    return s->next_id;
}

uint64_t stage_commit(struct stage *s, uint64_t prep_id, struct pke_bytes decision)
{
    struct msg_commit m = {.prep_id = prep_id, .answer = decision};

    chan_send_record(s->net, MSG_COMMIT, ++s->next_id, msg_commit_fields, &m);
    return s->next_id;
}

uint64_t stage_sign(struct stage *s, const char *kind, struct pke_bytes tbs)
{
    struct msg_sign m = {.kind = kind, .tbs = tbs, .deadline = process_monotonic_ms() + 5000};

    chan_send_record(s->keyside, MSG_SIGN, ++s->next_id, msg_sign_fields, &m);
    return s->next_id;
}

void stage_settle(struct stage *s)
{
    struct msg_refusal m = {
        .trace_id = stage_uuid(s), .endpoint = "enroll", .stage = "enroll", .source = "192.0.2.2"};

    pke_fail_set(&m.fail, PKE_MALFORMED, "settle", "test", "to wait for its acknowledgement");
    chan_send_record(s->net, MSG_REFUSAL, ++s->next_id, msg_refusal_fields, &m);
    assert_int_equal(stage_answer(s, s->next_id)->kind, MSG_OK);
}

/* ---- what came of it ---- */

void stage_must_be_issued(struct stage *s, const struct answer *a, struct pke_bytes csr)
{
    const unsigned char *at = csr.p;
    struct ca_issuer *ca;
    X509_REQ *req;
    X509 *x;

    if (a->kind == MSG_FAILED)
        fail_msg("%s: %s", a->failed.fail.reason, a->failed.fail.text);
    assert_int_equal(a->kind, MSG_ISSUED);
    req = d2i_X509_REQ(NULL, &at, (long)csr.n);
    at = a->issued.certificate.p;
    x = d2i_X509(NULL, &at, (long)a->issued.certificate.n);
    assert_true(req && x && at == a->issued.certificate.p + a->issued.certificate.n);
    ca = stage_ca(s);
    assert_int_equal(X509_verify(x, ca_issuer_public_key(ca)), 1);
    assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(x), X509_REQ_get0_pubkey(req)), 1);
    ca_issuer_free(ca);
    X509_free(x);
    X509_REQ_free(req);
}

void stage_must_fail(const struct answer *a, enum pke_err err, const char *reason)
{
    assert_int_equal(a->kind, MSG_FAILED);
    assert_string_equal(a->failed.fail.reason, reason);
    assert_int_equal(a->failed.fail.err, err);
    assert_true(a->failed.fail.rule[0]);
}

struct ledger_row stage_row(struct stage *s, const char *trace_id)
{
    struct ledger_reader *r = open_reader(s);
    struct ledger_row row = {0};
    struct pke_fail fail;
    enum pke_err err = ledger_request_show(r, NULL, trace_id, s->arena, &row, &fail);

    ledger_reader_close(r);
    assert_true(err == PKE_OK || err == PKE_NOT_FOUND);
    return err == PKE_OK ? row : (struct ledger_row){0};
}

struct ledger_counts stage_counts(struct stage *s)
{
    struct ledger_reader *r = open_reader(s);
    struct ledger_counts counts;
    struct pke_fail fail;

    assert_int_equal(ledger_counts(r, &counts, &fail), PKE_OK);
    ledger_reader_close(r);
    return counts;
}

unsigned stage_audited(struct stage *s, const char *event)
{
    sqlite3 *db;
    sqlite3_stmt *st;
    char path[128];
    unsigned n;

    snprintf(path, sizeof path, "%s/state/ledger.db", s->dir);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*) FROM audit WHERE event = ?", -1, &st, NULL),
                     SQLITE_OK);
    sqlite3_bind_text(st, 1, event, -1, SQLITE_STATIC);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    n = (unsigned)sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    sqlite3_close(db);
    return n;
}
