/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Inside the issuer role: its state and the functions its files give each other. The only writer of the
 * ledger; holds no CA key and no client socket.
 */
#ifndef DAEMON_ISSUER_ISSUER_H
#define DAEMON_ISSUER_ISSUER_H

#include <jansson.h>

#include "attest/attest.h"
#include "base/arena.h"
#include "ca/cert.h"
#include "ca/cms.h"
#include "ca/csr.h"
#include "ca/floor.h"
#include "ca/lint.h"
#include "daemon/common/assertion.h"
#include "daemon/common/rate.h"
#include "daemon/common/role.h"
#include "daemon/issuer/admit.h"
#include "daemon/issuer/authoriser.h"
#include "daemon/issuer/explain.h"
#include "daemon/issuer/identity_map.h"
#include "daemon/issuer/succession.h"
#include "jose/jwks.h"
#include "ledger/ledger.h"
#include "policy/decide.h"

/* ---- setup.c: one configuration, opened
 * ------------------------------------------------------------------------- */

struct issuer_ca {
    const struct conf_issuer *conf;
    struct ca_issuer *ca;
    struct ca_floor *floor; /* as the key has it */
    char sha1_hex[41];      /* of the certificate */
    int64_t root_not_after; /* seconds */
    struct pke_buf cross;   /* PEM of its cross-certificates, empty: none */
};

struct issuer_template {
    const struct policy_template *policy;
    const struct issuer_ca *ca;
    struct ca_profile *profile;        /* extensions encoded once */
    unsigned key_types, digests;       /* sets, as in struct ca_csr_rules */
    struct attest_roots *attest_roots; /* NULL while attestation is off */
    struct jose_keys *maa_keys;        /* of an attestation provider; NULL: its tokens are not verified */
    struct issuer_template *switched;  /* the same with another issuer, since a switch; requests that were
                                          decided before keep this one */
};

struct setup {
    unsigned refs;
    struct conf *conf;
    struct issuer_ca *cas;
    size_t n_cas;
    struct issuer_template *templates;
    size_t n_templates;
    struct ca_blocked *own_keys;     /* of the CAs and their roots: no CSR may carry one */
    struct ca_blocked *blocked_keys; /* of the file of that name; NULL: none */
    uint8_t assertion_key[ASSERTION_KEY_SIZE];
    struct identity_map *identities; /* NULL: none is configured */
    struct authorisers *authorisers;
    struct clients *clients; /* who accepts certificates as credentials */
};

enum pke_err setup_load(const struct conf *conf, struct pke_bytes assertion_key, struct setup **ret,
                        struct pke_fail *fail);
struct setup *setup_ref(struct setup *s);
void setup_unref(struct setup *s); /* accepts NULL */
/** As it is signed now; NULL when there is none of this name. */
const struct issuer_template *setup_template(const struct setup *s, const char *name);
/** The same for each @p i below s->n_templates. */
const struct issuer_template *setup_template_at(const struct setup *s, size_t i);
/** NULL when there is none. By its name in the configuration, or ca_issuer_id(). */
const struct issuer_ca *setup_ca(const struct setup *s, const char *name);
const struct issuer_ca *setup_ca_of(const struct setup *s, struct pke_bytes issuer_id);
/** Could @p ca sign for this template at @p now (seconds)? PKE_CONFIG and what is against it: its floor, or a
 * sample (sample.h). Blocks. */
enum pke_err setup_try(const struct setup *s, const struct issuer_template *t, const struct issuer_ca *ca,
                       int64_t now, struct pke_fail *fail);
/** Let each template be signed by whom the switches lead to: all of them or, with PKE_CONFIG, none. */
enum pke_err setup_follow(struct setup *s, const struct succession *by, struct pke_fail *fail);
/** What template and issuer say of each certificate. Borrows from both. */
struct ca_profile_spec setup_profile_spec(const struct policy_template *t, const struct conf_issuer *issuer);

/* ---- blocked.c: keys that no CSR may carry, and with which nobody proves anything any more
 * ------------------------------------------------------------------------------------------- */

/** Read the file of blocked-keys. PKE_CONFIG with "FILE:LINE: what". Blocks on disk. */
enum pke_err blocked_load(const char *path, struct ca_blocked **ret, struct pke_fail *fail);

/** The keys of all CAs of @p s and of their roots. */
struct ca_blocked *blocked_of_cas(const struct setup *s);

/** Is this SubjectPublicKeyInfo one of either? */
bool spki_blocked(const struct setup *s, struct pke_bytes spki);

/* ---- the role's state
 * -------------------------------------------------------------------------------------------- */

/** Who waits for the answer of a request; several when a retry attached. */
struct waiter {
    struct waiter *next;
    struct chan *net; /* NULL once net is gone */
    uint64_t frame_id;
    struct signing *call; /* of the signing API in place of net; NULL once it has its answer */
    size_t index;
};

enum request_state {
    REQUEST_PREPARED, /* waits for COMMIT */
    REQUEST_INTENT,   /* T1 in the next group */
    REQUEST_SIGNING,  /* queued for or at a key */
    REQUEST_RESULT,   /* T2 in the next group */
};

enum request_operation { OP_ISSUE, OP_RENEW, OP_RECOVERY };

struct issuer;

/** One enrollment request from PREPARE to its durable result. Everything in its arena. */
struct request {
    struct request *next; /* in issuer.requests */
    struct issuer *issuer;
    enum request_state state;
    struct pke_arena *arena;
    struct setup *setup;
    struct waiter *waiters;
    struct msg_prepare msg;
    struct assertion who;
    struct ledger_token token;    /* token_id NULL: auth vouched for the identity */
    const char *jti_issuer, *jti; /* the single-use token behind that word; jti NULL: none */
    int64_t jti_expires;
    const struct conf_endpoint *endpoint;
    const struct issuer_template *tmpl;
    struct ca_csr csr;
    uint8_t key[LEDGER_KEY_SIZE]; /* idempotency */
    uint64_t prep_id;
    enum request_operation op;
    struct pke_pairs known_names;    /* of the identity: from the map, then the credential */
    struct policy_identity identity; /* who, as policy sees it: of a renewal the recorded owner */
    struct pke_bytes csr_der;        /* in msg.request, of a renewal inside its CMS */
    const char *device_id, *enrollment_type, *provider;
    const char *ent_dmid;
    struct pke_pairs evidence; /* attestation items as they were sent; the context has their hashes */
    const char *attestation;   /* one line, NULL: not asked for */
    struct ledger_device device;
    bool known, own;                  /* device is filled; it belongs to who */
    const char *admission_id;         /* the approval that it uses up */
    bool asks_operator;               /* a refusal is an attempt that an operator is asked about */
    const char *folded_id;            /* the attempt that it was counted with, while an approval waits */
    bool uses_recovery, uses_renewal; /* an operator's permission that it uses up */
    /* renewal: */
    struct ca_cms_renewal cms;
    struct ledger_certificate old;
    bool has_applicant; /* somebody signed in beside the CMS: */
    struct policy_identity applicant;
    struct pke_bytes question; /* for the authoriser; empty: none is asked */
    bool authorised;           /* it allowed the request */
    int64_t validity;          /* seconds at most, as it said; 0: it did not */
    struct policy_decision decision;
    uint8_t serial[CA_SERIAL_SIZE];
    char serial_hex[2 * CA_SERIAL_SIZE + 1];
    struct pke_bytes tbs, certificate;
    uint8_t linted[CA_LINT_DIGEST]; /* of tbs, when lint had passed it */
    int64_t now_ms;                 /* wall clock, read once */
    struct pke_fail fail;
    struct pke_trail trail;      /* how it was decided */
    const char *explanation;     /* the same as text, once it was refused */
    bool dry;                    /* a simulation: nothing is asked of a key, nothing recorded */
    struct vouched *vouched;     /* a frontend brought it (sign.h); NULL: net did */
    struct request *next_queued; /* in a key pool's queue */
    uint64_t sign_id;
    uint32_t ticket;   /* the waiting request that this is an attempt of; 0: none */
    bool t1;           /* its intent was recorded: it stands in the ledger */
    uint64_t retry_ms; /* with a refusal: when it is worth while to come again; 0: no hint */
};

/** One change of the ledger in the next group. */
struct batch_op {
    struct batch_op *next;
    enum pke_err (*apply)(struct issuer *is, struct batch_op *op, struct pke_fail *fail);
    /** After the commit (err PKE_OK: durable). Frees whatever the op carries. */
    void (*done)(struct issuer *is, struct batch_op *op, enum pke_err err, const struct pke_fail *fail);
    void *arg;
    enum pke_err err;
    struct pke_fail fail;
};

#define KEY_MAX_POOLS     CONF_MAX_KEYS
#define KEY_MAX_INSTANCES 16

struct key_job;

struct key_client {
    struct key_pool *pool;
    unsigned index;
    struct chan *chan; /* NULL: not there */
    char state[16];
    struct pke_arena *told_arena; /* NULL: the process has told nothing yet */
    struct msg_key_state told;    /* what it said last of itself */
    uint64_t signatures, failures, last_micros;
    struct request *signing;
    struct key_job *job;    /* or this; of the first process alone */
    uint64_t signing_since; /* us */
    struct event *timer;    /* hard limit of one device operation */
};

struct key_pool {
    struct issuer *issuer;
    char *name;
    struct key_client clients[KEY_MAX_INSTANCES];
    struct request *first, *last; /* waiting for a key */
    struct key_job *job;          /* waits for the first process */
    unsigned queued;
    struct latency latency; /* of one signature, as seen from here */
    struct turns turns;     /* who was refused as busy */
    /* waiting.c: */
    uint64_t hold_until; /* ms: no waiting request is tried before; attempts that failed cost a serial each */
    unsigned holds;      /* in a row */
    uint32_t tried;      /* the last that failed: it and the older ones have had their turn of this round, */
    uint64_t tried_until; /* ms: which lasts until then, if no round ends because another key is busy */
};

/** A verb that waits for key processes, one after the other. */
struct pending_verb {
    struct pending_verb *next;
    struct chan *control;
    uint64_t control_id, id;
    char *key_name;
    unsigned order;    /* enum msg_kind */
    unsigned instance; /* the one that was asked */
};

struct issuer {
    struct role *role;
    struct setup *setup;
    struct ledger *ledger;
    struct chan *net, *control;
    uint64_t net_epoch;     /* which net: an answer never goes to the next one, which did not ask */
    uint64_t control_links; /* how many there were: the number of this one */
    struct request *requests;
    uint64_t next_id;
    /* batch.c */
    struct batch_op *ops, **ops_tail;
    bool in_batch; /* results are being handed out: the ledger may not be closed */
    struct event *turn_end;
    uint64_t group_due; /* when the waiting group is committed at the latest, us; 0: it does not wait */
    struct event *idle; /* checkpoint off the request path */
    /* keys.c */
    struct key_pool *pools[KEY_MAX_POOLS];
    size_t n_pools;
    struct pending_verb *verbs;
    /* refusal.c */
    double refusal_tokens;
    uint64_t refusal_at, refusals_suppressed;
    bool draining;      /* the signing API takes nothing; what net brings is net's to refuse */
    struct event *tick; /* what is due although nobody sent anything */
    int64_t wall_seen;  /* largest wall clock ever recorded, ms */
    /* waiting.c */
    uint32_t waiting_after;  /* where the last look ended; 0: begin with the oldest */
    bool waiting_some;       /* there may be waiting requests */
    uint64_t waiting_expire; /* ms: when to look for expired ones */
    /* rollover.c */
    struct succession succession; /* in its arena */
    struct pke_arena *succession_arena;
    bool succession_stale; /* the ledger could not be read after a change */
    bool switching;        /* a switch is on its way into the ledger */
    bool scheduling;       /* so is a successor */
    char **waits;     /* of each row: why it waits although it is due, as it was logged; NULL: it does not */
    bool unpublished; /* clients-ca.pem could not be written */
    uint64_t warn_at; /* ms: when to look for certificates that expire soon */
    /* orphan.c */
    struct orphan *orphans;
    uint64_t orphans_at;         /* when to try again, monotonic ms */
    struct crl_state *crl;       /* crl.c */
    struct outbox *outbox;       /* outbox.c */
    struct tenant_use *tenants;  /* tenants.c */
    struct rates frontend_rates; /* certificates of each frontend */
};

/* ---- batch.c
 * ------------------------------------------------------------------------------------------------------ */

void batch_init(struct issuer *is);
/** Queue a change for the next group, which is one transaction: at the end of this loop turn, or up to 2 ms
 * later while requests wait for a key. */
void batch_add(struct issuer *is,
               enum pke_err (*apply)(struct issuer *, struct batch_op *, struct pke_fail *),
               void (*done)(struct issuer *, struct batch_op *, enum pke_err, const struct pke_fail *),
               void *arg);
/** Queue an audit row; @p detail is JSON or NULL. */
void batch_audit(struct issuer *is, const char *event, const char *actor, const char *request_id,
                 const char *detail);

/* ---- request.c
 * ---------------------------------------------------------------------------------------------------- */

void request_prepare(struct issuer *is, const struct ipc_frame *f);
void request_commit(struct issuer *is, const struct ipc_frame *f);
/** A key answered (or will never): @p signature empty means failure with @p fail. */
void request_signed(struct request *req, struct pke_bytes signature, const struct pke_fail *fail);
/** net is gone: nobody to answer, what is in flight is finished all the same. */
void request_forget_net(struct issuer *is);
/** Prepared requests whose deadline passed. */
void request_expire(struct issuer *is);
/** All prepared requests: nobody is left to commit them. */
void request_drop_prepared(struct issuer *is);

/** What the ledger keeps of a request. */
struct ledger_request request_to_ledger(const struct request *req);
struct policy_identity request_identity(const struct assertion *a);

/* ---- check.c, renew.c, enrollment.c, build.c: everything before T1
 * ------------------------------------------------ */

/** Who, what, may they: assertion, endpoint, idempotency key. */
enum pke_err check_identity(struct request *req);
/** The CSR: facts, screening, possession, ownership of key and device. */
enum pke_err check_request(struct request *req);
/** The credential beside the body: assertion of auth or one-time token, into req->who. */
enum pke_err check_credential(struct request *req);
/** credential.c, part of check_credential(): a certificate that is in the ledger is judged by its record, and
 * req->who becomes whom it was issued to; one of our CAs that is not in the ledger is refused. May be asked
 * again; of a renewal not, whose req->who is the old certificate's. */
enum pke_err check_certificate_credential(struct request *req);
/** Who asks, where: endpoint and credential; of a question that is no enrollment. */
enum pke_err check_requester(struct request *req);
/** As check_identity(), of a request that was authenticated when it began to wait: req->who is its record.
 * What is configured today counts. */
enum pke_err check_recorded(struct request *req);
/** A renewal's part of check_identity(): its CMS, the certificate that it renews, what no replay passes by.
 */
enum pke_err renew_identity(struct request *req);
/** The policy stage of a renewal: may the holder of this certificate of ours see the endpoint's policy? */
enum pke_err renew_visible(struct issuer *is, const struct conf_endpoint *ep, struct pke_bytes certificate,
                           struct pke_arena *arena, struct msg_auth_ok *ok, struct pke_fail *fail);
/** A renewal's part of check_request(): may a new one be made now, with this key? */
enum pke_err renew_request(struct request *req);
/** Both parts about what may have changed since, for a renewal that waited for COMMIT. */
enum pke_err renew_again(struct request *req);
/** Quota and approval, once everything else is decided: a refusal here is told to an operator. */
enum pke_err check_admission(struct request *req);
/** May an earlier answer still be given to this identity for this device? */
bool check_still_allowed(struct request *req);
/** Ownership alone, again: others may have been issued or begun while this one waited for COMMIT. */
enum pke_err check_ownership(struct request *req);
/** May anything be signed at @p now_ms, when @p seen is the largest wall clock that was recorded? */
enum pke_err check_clock(const struct conf_global *g, int64_t seen, int64_t now_ms, struct pke_fail *fail);
/** Decide, build the TBS, lint it. */
/** What would be certified, in req->decision, for who has to allow it; without what only they know it is
 * empty. A refusal that no answer could change is one now. */
enum pke_err check_propose(struct request *req);
enum pke_err check_build(struct request *req);

/* ---- simulate.c */

/** Answer simulate; false when it is another verb. Everything that a real request goes through but for the
 * key, the ledger's rows and the queue. */
bool simulate_verb(struct issuer *is, uint64_t id, const struct msg_verb *v);

/* ---- wishes.c: the CSR's, and what is known of the identity */

/** Set req->identity.attributes: the identity map's, then the credential's. Once req->identity is known. */
void wishes_identity(struct request *req);
/** A kind that @p names has takes the place of what was known of that kind. */
void wishes_take_names(struct request *req, const struct pke_pairs *names, const char *rule,
                       const char *source);
/** What the CSR asks for beside its key, against req->decision. */
enum pke_err wishes_check(struct request *req);

/* ---- verbs_ledger.c: what operators change in the ledger */

/** Answer request-approve|deny, cert-confirm, device-*; false when it is none of them. */
bool verbs_ledger(struct issuer *is, uint64_t id, const struct msg_verb *v);

/* ---- revoke.c: what operators revoke, hold and release from hold */

/** Answer cert-revoke|release, device-revoke|release-hold, user-revoke|release-hold; false: none of them. */
bool verbs_revoke(struct issuer *is, uint64_t id, const struct msg_verb *v);
/** Release or block a device and revoke its certificates, in one; @p state (static) is told in the answer. */
void verbs_revoke_device(struct issuer *is, uint64_t id, const struct msg_verb *v,
                         enum ledger_device_change change, const char *state);

/* ---- verbs_key.c: what operators ask of the keys */

/** Answer key-*, metrics; false when it is none of them. */
bool verbs_key(struct issuer *is, uint64_t id, const struct msg_verb *v);
/** What a client of the key meets: "ready" when one instance is. */
const char *verbs_key_state(const struct key_pool *p);
/** A key process answered @p id. */
void verbs_key_done(struct issuer *is, uint64_t id, const struct msg_key_state *m);
/** A process of this key ended: what waits for it has its answer. */
void verbs_key_lost(struct issuer *is, const char *name, unsigned instance);

/* ---- rollover.c, verbs_rollover.c: who signs for an issuer
 * -------------------------------------------------------- */

/** Read the rows, at the start. */
enum pke_err rollover_load(struct issuer *is, struct pke_fail *fail);
/** Part of taking a configuration: its templates follow the switches. PKE_CONFIG when it lacks what they or
 * live certificates need. */
enum pke_err rollover_prepare(struct issuer *is, struct setup *candidate, struct pke_fail *fail);
/** The configuration is in force. */
void rollover_commit(struct issuer *is);
/** What is due; what waits; what expires soon. */
void rollover_tick(struct issuer *is);
/** Could @p to take over from @p from at @p at_ms? @p warnings: sentences are added to it; may be NULL. */
enum pke_err rollover_fits(struct issuer *is, const char *from, const char *to, int64_t at_ms,
                           json_t *warnings, struct pke_fail *fail);
/** Which listeners and endpoints of this configuration accept certificates of @p from and not of @p to; NULL:
 * none. In @p arena. */
const char *rollover_untrusted(const struct issuer *is, const char *from, const char *to,
                               struct pke_arena *arena);
/** After the commit of such a change: log @p event, and what follows from the rows. */
void rollover_changed(struct issuer *is, const char *event, const char *from, const char *by);
/** Answer issuer-*; false when it is none of them. */
bool verbs_rollover(struct issuer *is, uint64_t id, const struct msg_verb *v);
/** publish_issuers.c: certificates of the issuers and clients-ca.pem, where they changed. PKE_STORE_DOWN. */
enum pke_err publish_issuers(struct issuer *is, struct pke_fail *fail);
/** issuer_view.c: an issuer as the control API and the metrics show it. */
json_t *issuer_view(struct issuer *is, const struct issuer_ca *ca);
/** The same with its certificates. */
json_t *issuer_view_full(struct issuer *is, const struct issuer_ca *ca);
/** In short, for status. */
json_t *issuer_view_short(struct issuer *is, const struct issuer_ca *ca);

/* ---- attest.c: does a TPM hold the key?
 * -------------------------------------------------------------------------------- */

/** Move the attestation items out of the context; their SHA-256 stays there: the rest is stored nowhere.
 * First of all. */
void attest_take(struct request *req);
/** After the CSR check: sets req->attestation; PKE_POLICY with the verifier's reason where the template
 * requires it. */
enum pke_err attest_check_request(struct request *req);

/* ---- token.c
 * ------------------------------------------------------------------------------------------------------ */

/** Find the one-time token of @p secret: known, of @p tenant, not revoked. It may be used up or expired. */
enum pke_err token_find(struct issuer *is, const char *tenant, struct pke_bytes secret,
                        struct pke_arena *arena, struct ledger_token *ret, struct pke_fail *fail);
/** May it be used for something new at @p now_ms? */
enum pke_err token_usable(const struct ledger_token *t, int64_t now_ms, struct pke_fail *fail);
/** MSG_TOKEN of net. */
void token_frame(struct issuer *is, const struct ipc_frame *f);
/** Verbs token-mint and token-revoke. */
void token_mint(struct issuer *is, uint64_t id, const struct msg_verb *v);
void token_check(struct issuer *is, uint64_t id, const struct msg_verb *v);
void token_revoke(struct issuer *is, uint64_t id, const struct msg_verb *v);

/* ---- keys.c
 * ------------------------------------------------------------------------------------------------------- */

void keys_link(struct issuer *is, const struct msg_link *link, int fd);
void keys_submit(struct issuer *is, const char *key, struct request *req);

/** A signature over what is no certificate. */
struct key_job {
    const char *kind;     /* of MSG_SIGN */
    struct pke_bytes tbs; /* the owner's, until done */
    /** Called once, from the event loop or from inside keys_submit_job(). @p signature is empty on failure.
     */
    void (*done)(struct key_job *job, struct pke_bytes signature, const struct pke_fail *fail);
    uint64_t sign_id; /* of keys.c */
};

/** Have the first process of @p key sign it, before the next certificate; PKE_KEY_DOWN at once when it cannot
 * now, PKE_BUSY when another job waits. */
void keys_submit_job(struct issuer *is, const char *key, struct key_job *job);
/** Would it be signed, or wait for its turn? */
bool keys_takes_job(struct issuer *is, const char *key);
/** How many requests wait for a key that is busy with another. */
unsigned keys_queued(const struct issuer *is);
struct key_pool *keys_pool(struct issuer *is, const char *name);
/** Can this process sign now? */
bool keys_is_ready(const struct key_client *k);
/** Did an operator pause one of the pool's instances? The client is told of maintenance, not of a fault. */
bool keys_is_paused(const struct key_pool *p);
uint64_t keys_micros(void); /* monotonic */

/* ---- admission.c
 * -------------------------------------------------------------------------------------------------- */

/** Is there a key, and will it get to @p req before its deadline? PKE_OK, PKE_KEY_DOWN, PKE_MAINTENANCE, or
 * PKE_BUSY with req->retry_ms. What is on its way to the key counts, whoever asked for it. */
enum pke_err admission_check(struct request *req);
/** It is not let in, or not any more: req->fail is PKE_BUSY, req->retry_ms when its turn is, which is kept.
 */
void admission_refuse(struct request *req, struct key_pool *p);
/** A signature of this client took so long, us. */
void admission_measured(struct key_client *k, uint64_t us);
/** True when a request with @p ahead others before it cannot be signed in time by what is known now. */
bool admission_in_vain(const struct key_pool *p, const struct request *req, unsigned ahead);

/* ---- waiting.c, waiting_query.c
 * ------------------------------------------------------------------------------------- */

/** May @p req, which failed with req->fail, wait for the key? */
bool waiting_may(const struct request *req);
/** Record that it waits, answer MSG_PENDING, release it. */
void waiting_record(struct request *req);
/** Answered when the same request waits already: true, @p req is released. */
bool waiting_again(struct request *req);
/** An attempt of a waiting request failed: what passes leaves it waiting, anything else denies it. Takes over
 * @p req. */
void waiting_failed(struct request *req);
/** An attempt of a waiting request was signed. */
void waiting_issued(struct request *req);
/** Sign what waits, the oldest first, as far as the keys have time; abandon what is too old. */
void waiting_tick(struct issuer *is);
/** Something changed: a key, a request that ended. */
void waiting_wake(struct issuer *is);
/** MSG_QUERY of net. */
void waiting_query(struct issuer *is, const struct ipc_frame *f);

/* ---- refusal.c
 * ---------------------------------------------------------------------------------------------------- */

/** True when a refusal may be recorded now (they are rate-limited, so that nobody fills the disk). */
bool refusal_allowed(struct issuer *is);
/** Audit how many were not recorded since the last call: by timer and at the stop, so that no flood makes it
 * often. */
void refusal_report(struct issuer *is);
void refusal_frame(struct issuer *is, const struct ipc_frame *f);

/* ---- orphan.c
 * ----------------------------------------------------------------------------------------------------- */

/** The result of this request could not be recorded: close its intent later. */
void orphan_add(struct issuer *is, const char *request_id, const struct pke_fail *why);
/** Try to close them, not more often than every two seconds. */
void orphans_close(struct issuer *is);

/* ---- verbs.c
 * ------------------------------------------------------------------------------------------------------ */

void verbs_reply(struct chan *to, uint64_t id, json_t *object);
void verbs_refuse(struct chan *to, uint64_t id, const struct pke_fail *fail);
void verbs_control_frame(struct issuer *is, const struct ipc_frame *f);
void verbs_forget_control(struct issuer *is);

/* ---- issuer.c
 * ----------------------------------------------------------------------------------------------------- */

/** Tell main how things are. */
void issuer_tell(struct issuer *is);
/** Tell net whose certificates answers carry and who signs. */
void issuer_send_catalogue(struct issuer *is);
/** A request ended: when draining this may have been the last. */
void issuer_check_stopped(struct issuer *is);

#endif
