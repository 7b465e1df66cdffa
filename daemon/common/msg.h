/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Every message between the roles: its struct, its field table, its kind. Encoded by ipc/record.h.
 * Strings and bytes are borrowed when sent and live in the receiver's arena when read.
 */
#ifndef DAEMON_COMMON_MSG_H
#define DAEMON_COMMON_MSG_H

#include "ipc/record.h"

enum role_id { ROLE_MAIN, ROLE_NET, ROLE_CONTROL, ROLE_AUTH, ROLE_ISSUER, ROLE_KEY, ROLE__MAX };

/* kind, who sends it -> who receives it */
enum msg_kind {
    MSG_CONF_PREPARE = 1, /* main -> role: msg_conf; parse and open, change nothing yet */
    MSG_CONF_READY,       /* role -> main: msg_empty */
    MSG_CONF_REFUSED,     /* role -> main: msg_failed */
    MSG_CONF_SWITCH,      /* main -> role: msg_empty */
    MSG_CONF_ABORT,       /* main -> role: msg_empty */
    MSG_LINK,             /* main -> role: msg_link and one descriptor: a channel to a peer role */
    MSG_STATE,            /* role -> main: msg_state, whenever it changes */
    MSG_STOP,             /* main -> role: msg_empty; finish what is in flight, then exit 0 */
    MSG_PING,             /* main -> role: msg_empty; answered MSG_PONG by its event loop */
    MSG_PONG,             /* role -> main: msg_empty */
    MSG_LINK_LOST,        /* role -> main: msg_link; the channel to this peer broke */
    MSG_DRAIN,            /* main -> net: msg_empty; refuse new work with InMaintenance from now on */
    MSG_RESUME,           /* main -> net: msg_empty; take work again */
    MSG_KILL_KEY,         /* issuer -> main: msg_link (peer, name, index): it is stuck, end it */
    MSG_SOCKET, /* main -> net, before the first CONF_PREPARE: msg_socket and one listening descriptor */

    MSG_AUTH = 32, /* net -> auth: msg_auth */
    MSG_AUTH_OK,   /* auth -> net: msg_auth_ok */
    MSG_FAILED,    /* any answer: msg_failed */
    MSG_OK,        /* any answer without content: msg_empty */
    MSG_AUTH_ASK, /* auth -> net, instead of MSG_AUTH_OK: msg_auth_ask; the frontend knows whose credential it
                     is */
    MSG_AUTH_ANSWER, /* net -> auth: msg_auth_answer, answered MSG_AUTH_OK */

    MSG_PREPARE = 48, /* net -> issuer: msg_prepare (with commit set: PREPARE and COMMIT in one frame) */
    MSG_PREPARED,     /* issuer -> net: msg_prepared */
    MSG_COMMIT,       /* net -> issuer: msg_commit */
    MSG_ISSUED,       /* issuer -> net: msg_issued */
    MSG_TOKEN,        /* net -> issuer, policy stage: msg_token, answered MSG_AUTH_OK without an assertion */
    MSG_REFUSAL,      /* net -> issuer: msg_refusal, answered MSG_OK once durable or counted */
    MSG_CATALOGUE,    /* issuer -> net, after LINK and after a switch: msg_catalogue; id 0 */
    MSG_PENDING,      /* issuer -> net, answer to a request that may wait, and to QUERY: msg_pending */
    MSG_EVENT, /* issuer -> net, id 0: msg_event; a later one of the same sink and seq takes the place of an
                  earlier */
    MSG_EVENT_DONE, /* net -> issuer: msg_event_done, answered MSG_OK */
    MSG_QUERY,      /* net -> issuer: msg_query, answered MSG_ISSUED, MSG_PENDING or MSG_FAILED */

    MSG_SIGN = 64,  /* issuer -> key: msg_sign */
    MSG_SIGNED,     /* key -> issuer: msg_signed */
    MSG_KEY_STATE,  /* key -> issuer: msg_key_state; id 0 */
    MSG_KEY_TEST,   /* issuer -> key: msg_empty, answered MSG_KEY_STATE; so are the next three */
    MSG_KEY_UNLOCK, /* read PIN and certificate again, forget the latch, open the key once */
    MSG_KEY_PAUSE,  /* let go of the device; no signature until MSG_KEY_RESUME, over restarts */
    MSG_KEY_RESUME,

    MSG_VERB = 80,  /* control -> main, auth, issuer: msg_verb */
    MSG_VERB_REPLY, /* answer: msg_verb_reply */
    MSG_AUDIT,      /* control -> issuer: msg_audit; id 0, one way */
};

struct msg_empty {
    uint64_t unused;
};

struct msg_conf {
    const char *file;
    struct pke_bytes text;
    struct pke_bytes assertion_key; /* auth and issuer only: 32 bytes, made by main at start */
    struct pke_pairs hints; /* net only: what its predecessor told as facts, so that a picked port stays */
};

struct msg_link {
    uint64_t peer;    /* enum role_id */
    uint64_t index;   /* which instance */
    const char *name; /* key: its name in the configuration */
    uint64_t pid;     /* of the peer: LINK_LOST must not be taken for one with its successor */
};

/** A socket that the service manager opened. */
struct msg_socket {
    const char *name;
};

/** What a role wants main (and so `pkienrollctl status`) to know. */
struct msg_state {
    const char *state;      /* "ready", "recovering", "locked", "failed", "draining" */
    const char *text;       /* last error or detail */
    struct pke_pairs facts; /* net: "listener NAME" -> "127.0.0.1:43211", "url ENDPOINT" -> absolute URL */
};

struct msg_failed {
    struct pke_fail fail;
    uint64_t retry_ms;    /* 0: no hint */
    const char *trace_id; /* of the request that this one was folded into; NULL: it has its own record */
};

struct msg_auth {
    const char *tenant;
    const char *endpoint;
    const char *stage; /* "policy" or "enroll" */
    const char *kind;  /* credential kind, as endpoints' credentials name it */
    const char *username;
    struct pke_bytes password; /* wiped by both ends after use */
    struct pke_bytes token;    /* jwt, entra-jwt: the compact JWS; wiped by both ends after use */
    struct pke_bytes document; /* signed-header: the whole request, byte by byte as it was received */
    /* client-certificate: DER of the one with which the client proved possession to net's TLS */
    struct pke_bytes client_certificate;
    const char *source;            /* client address without port, NULL on frontend listeners */
    struct pke_bytes request_hash; /* SHA-256 of the CSR or CMS; empty at the policy stage */
    uint64_t deadline;             /* CLOCK_MONOTONIC ms */
    const char *trace_id;          /* the attempt id; of a question to the frontend its id */
};

/** What net carries to the frontend; the credential is in it. */
struct msg_auth_ask {
    const char *authenticator; /* name in the section authorisers */
    struct pke_bytes question; /* body of the POST; wiped by both ends after use */
    struct pke_bytes ticket;   /* what auth has to remember of it, opaque to net, with a MAC */
};

struct msg_auth_answer {
    struct pke_bytes ticket; /* as auth gave it out, to whichever worker */
    struct pke_bytes answer; /* body */
    const char
        *signature;    /* X-Pkienroll-Signature; NULL: a unix socket of peer-uids, which net has looked at */
    uint64_t deadline; /* CLOCK_MONOTONIC ms */
};

/** An event on its way to a receiver. */
struct msg_event {
    const char *sink;      /* name in the section event-sinks */
    uint64_t seq;          /* of the event; with the sink what MSG_EVENT_DONE tells about */
    const char *id;        /* X-Pkienroll-Id: the same at every attempt */
    struct pke_bytes body; /* JSON */
};

struct msg_event_done {
    const char *sink;
    uint64_t seq;
    uint64_t status;        /* of HTTP; 0: no answer came */
    uint64_t retry_after_s; /* Retry-After; 0: none */
    struct pke_fail fail;   /* why not */
};

struct msg_auth_ok {
    struct pke_bytes assertion; /* absent when issuer answers itself; else daemon/common/assertion.h; opaque
                                   to net but for the fields below */
    const char *principal;
    const char *upn; /* NULL: the identity has none */
};

struct msg_prepare {
    struct pke_bytes generation; /* of the sender's snapshot: must equal the issuer's, else PKE_STALE */
    uint64_t commit;             /* 1: no authoriser, decide at once */
    uint64_t deadline;           /* CLOCK_MONOTONIC ms */
    const char *trace_id;        /* the attempt id: ActivityId, TraceId */
    const char *endpoint;
    const char *operation;      /* "issue", "renew" or "recovery" */
    struct pke_bytes assertion; /* of auth; or */
    struct pke_bytes
        token; /* a one-time token, which issuer verifies itself; a renewal may come without both */
    struct pke_bytes request; /* PKCS#10 DER; of a renewal the CMS around it */
    /* DER of the certificate of the client's TLS connection; empty: none. net's word, so it only ever narrows
     */
    struct pke_bytes client_certificate;
    struct pke_pairs context; /* ContextItems in order; values checked for form by proto/ */
    const char *source;
    uint64_t may_wait; /* enum msg_wait: its client knows a pending answer; never of MDM */
};

/* What becomes of a request that is valid and allowed, and that no key can sign before its deadline. */
enum msg_wait {
    MSG_WAIT_NEVER,  /* refused */
    MSG_WAIT_MAY,    /* recorded, answered MSG_PENDING, signed when the key returns */
    MSG_WAIT_ALWAYS, /* the same even if there is a key: net drains */
};

/** A request waits for the key. */
struct msg_pending {
    uint64_t number;        /* RequestID, 1..4294967295 */
    const char *request_id; /* of the attempt that had to wait */
    uint64_t expires_at;    /* wall ms: it is abandoned then */
    const char *reason;     /* stable token of why it waits */
};

/** What became of it? Answered to its requester only. */
struct msg_query {
    const char *endpoint;
    struct pke_bytes assertion; /* its request_hash is SHA-256 of the number in decimal */
    uint64_t number;
    const char *trace_id;
};

/** May the bearer of this one-time token, or the client that is about to renew this certificate, see the
 * endpoint's policy? One of both. */
struct msg_token {
    const char *endpoint;
    struct pke_bytes token;
    struct pke_bytes client_certificate; /* DER, of the TLS connection */
    uint64_t deadline;
};

/** A valid request that the authoriser of its template is to be asked about. */
struct msg_prepared {
    uint64_t prep_id;
    struct pke_bytes request_hash; /* SHA-256 of the CSR or CMS */
    const char *authoriser;        /* name in authorisers; NULL: COMMIT without asking */
    struct pke_bytes question; /* the JSON body to send, byte by byte: the answer is signed over its hash */
};

/** What the authoriser said. Of a webhook the issuer verifies it itself: net only carries it. */
struct msg_commit {
    uint64_t prep_id;
    struct pke_bytes answer; /* the body as it was received; empty: it was not asked or did not answer */
    const char *signature;   /* the header of that name; NULL: there was none */
    struct pke_fail fail; /* err other than PKE_OK: why there is no answer (down, late, refused, malformed) */
};

struct msg_issued {
    const char *request_id;
    const char *serial; /* lower-case hex */
    struct pke_bytes certificate;
    const char *principal;
    const char *subject_cn;
    const char *ent_dmid;
    const char *operation;       /* "issue", "renew" or "recovery" */
    const char *enrollment_type; /* the store of the certificate: of a renewal as recorded, not as asked */
    const char *upn;             /* NULL: the identity has none */
    uint64_t with_ca;            /* 1: a renewal whose issuer is not the one of the old certificate */
    uint64_t replayed;           /* 1: an earlier answer of the same request */
    uint64_t number;             /* RequestID of one that had waited; 0: none */
    const char *issuer;          /* who signed it: a name of the catalogue */
    uint64_t more_names;         /* 1: the subject is more than its common name */
    const char *provider;        /* PROVIDER-ID of its enrollment */
};

struct msg_refusal {
    const char *trace_id;
    const char *endpoint;
    const char *stage;
    const char *principal; /* claimed or authenticated, may be NULL */
    const char *device_id; /* may be NULL */
    const char *source;
    struct pke_fail fail;
};

/** Certificates that net needs for answers. */
struct msg_catalogue {
    struct pke_bytes generation;
    struct pke_pairs issuers; /* issuer name -> hex SHA-1 of its certificate, same order as the lists below */
    struct pke_blobs certificates; /* DER of the issuing CA */
    struct pke_blobs roots;        /* DER of its self-signed root (the same bytes when self-signed) */
    struct pke_pairs templates;    /* template -> name of the issuer that signs for it now */
};

struct msg_sign {
    const char *kind; /* "certificate" or "crl" */
    struct pke_bytes tbs;
    uint64_t deadline;
};

struct msg_signed {
    struct pke_bytes signature; /* value of the BIT STRING, verified by key against the CA certificate */
    uint64_t micros;            /* time of the device operation */
};

/** Upper bounds of the latency buckets in microseconds; the last bucket has none. */
#define MSG_KEY_BUCKETS 13

struct msg_key_state {
    const char *state;     /* "starting" "ready" "recovering" "locked" "failed" "paused" */
    struct pke_fail fail;  /* err PKE_OK when ready */
    uint64_t raw;          /* of fail: CKR_* or TSS2_RC; 0: neither */
    const char *algorithm; /* "RSA-2048" */
    uint64_t signatures, failures, last_micros;
    uint64_t since;             /* wall ms: in this state */
    struct pke_fail last_error; /* the last one, whatever the state is now */
    uint64_t last_raw, last_error_at;
    const char *last_raw_text; /* "0x000000a0 CKR_PIN_INCORRECT" */
    uint64_t last_good_at;     /* wall ms: a signature that verified; 0: none yet */
    uint64_t health_checks, recoveries;
    uint64_t ewma_micros, max_micros, sum_micros; /* of one signature as the client of the key sees it */
    const char *buckets;     /* MSG_KEY_BUCKETS numbers with a space between: signatures up to each bound */
    struct pke_pairs failed; /* class -> how many */
    struct pke_pairs attributes; /* as read back from the device -> "yes", "no" or "absent" */
};

extern const uint64_t msg_key_bounds[MSG_KEY_BUCKETS - 1];

struct msg_verb {
    const char *verb; /* name in ipc/verbs.h */
    struct pke_pairs args;
    struct pke_bytes secret; /* a password, wiped after use */
    const char *actor;       /* "uid=0 role=admin" */
    const char *frontend;    /* name in frontends, whose binding holds; NULL: an operator */
    const char *trace_id;    /* of the call */
};

struct msg_verb_reply {
    struct pke_bytes json; /* the object that the control API returns */
};

struct msg_audit {
    const char *actor;
    const char *verb;
    const char *result; /* "ok" or an error token */
    const char *detail; /* canonical JSON of the arguments, without secrets */
};

extern const struct ipc_field msg_empty_fields[], msg_token_fields[], msg_conf_fields[], msg_link_fields[],
    msg_socket_fields[], msg_state_fields[], msg_failed_fields[], msg_auth_fields[], msg_auth_ask_fields[],
    msg_auth_answer_fields[], msg_auth_ok_fields[], msg_event_fields[], msg_event_done_fields[],
    msg_prepare_fields[], msg_prepared_fields[], msg_commit_fields[], msg_issued_fields[],
    msg_pending_fields[], msg_query_fields[], msg_refusal_fields[], msg_catalogue_fields[], msg_sign_fields[],
    msg_signed_fields[], msg_key_state_fields[], msg_verb_fields[], msg_verb_reply_fields[],
    msg_audit_fields[];

/** Name of a role: "net". */
const char *role_name(enum role_id id);

/** Role for a name; ROLE__MAX when unknown. */
enum role_id role_from_name(const char *name);

#endif
