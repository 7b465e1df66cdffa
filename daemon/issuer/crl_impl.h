/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Inside the schedule of revocation lists: one struct crl_ca per issuing CA. A list is made in steps, each in
 * a turn of the event loop of its own, so that a long one delays no certificate for long.
 */
#ifndef DAEMON_ISSUER_CRL_IMPL_H
#define DAEMON_ISSUER_CRL_IMPL_H

#include <sys/stat.h>

#include "ca/crl.h"
#include "daemon/issuer/crl.h"
#include "daemon/issuer/crl_list.h"

#define CRL_BACKDATE 300 /* seconds: who verifies may have a clock that goes slow */

enum crl_step {
    CRL_IDLE,
    CRL_FILES,   /* once: what is in the publish folder */
    CRL_CARRIED, /* once: what an older CRL had and this ledger does not */
    CRL_READ,    /* changes since the last time, some in each turn */
    CRL_CARRY,   /* keep what the CRL in the folder has and the ledger does not */
    CRL_SETTLE,  /* changes into their places */
    CRL_DECIDE,  /* is there anything to sign? */
    CRL_ENCODE,  /* its entries, some in each turn */
    CRL_NUMBER,  /* waits for its number to be durable */
    CRL_BUILD,   /* the bytes */
    CRL_LINT,
    CRL_SIGN,   /* waits for the key */
    CRL_CHECK,  /* the signature */
    CRL_RECORD, /* waits for its digest to be durable */
    CRL_WRITE_PEM,
    CRL_WRITE_ALL, /* the lists of all issuers in one file */
    CRL_WRITE_DER, /* the last: what a start looks at, so that none of them stays behind a crash */
};

/** A file of the publish folder as it was last seen. */
struct crl_file {
    struct stat st;
    int64_t number; /* 0: there is none of this CA */
};

struct crl_ca {
    struct crl_ca *next;
    struct issuer *is;
    char *name;
    uint8_t id[20]; /* the ledger's */
    bool wanted;    /* configured */
    bool loaded;
    struct crl_list list;
    struct ledger_crl full, delta; /* the last signed ones; number 0: none */
    bool deltas;                   /* a full one that is still good says where deltas are */
    struct crl_file files[2];      /* full, delta */
    /* the one that is being made */
    enum crl_step step;
    struct event *turn;
    struct setup *setup; /* NULL while idle */
    const struct issuer_ca *ca;
    struct ledger_crl make;
    struct key_job job;
    struct pke_buf entries, tbs, signature, der;
    int64_t after;            /* of a delta: the change behind which it begins */
    size_t encoded;           /* rows that are in entries */
    uint64_t bad;             /* that have no form */
    struct pke_buf behind[2]; /* TBS of published CRLs that are newer than the ledger */
    uint64_t started;         /* monotonic us */
    uint64_t longest_turn;    /* us */
    enum crl_step longest_step;
    /* when */
    bool dirty, asked, again; /* revocations changed; somebody wants one now; look again at once */
    bool key_seen;            /* the key was ready once, or had its time to become so */
    uint64_t since;           /* monotonic ms: configured */
    uint64_t dirty_at;        /* monotonic ms */
    uint64_t not_before;      /* monotonic ms */
    unsigned failures;        /* in a row */
    struct pke_fail fail;     /* the last one */
    uint64_t alarm_at;        /* monotonic ms: when to tell again that it is late */
    const char *told;         /* how bad main knows it to be; NULL: not at all */
    uint64_t serving;         /* crl_verb: the last that the one in the making answers */
};

/** An operator waits for crl publish. */
struct crl_verb {
    struct crl_verb *next;
    uint64_t control, id, number;
    json_t *open;  /* object: names of the issuers whose list is not there yet */
    json_t *items; /* answers so far */
    struct pke_fail fail;
};

struct crl_state {
    struct crl_ca *cas;
    struct crl_verb *verbs;
    uint64_t next_verb;
    char *all; /* the publish folder that has the file of all lists */
};

static inline struct pke_bytes crl_id(const struct crl_ca *c)
{
    return PKE_BYTES(c->id, sizeof c->id);
}

/* ---- crl.c */

/** The one in the making is there (fail NULL), could not be made, or was not needed. */
void crl_end(struct crl_ca *c, const struct pke_fail *fail);
/** Wall clock, seconds. */
int64_t crl_now(void);
/** "none", "current", "late", "expired". */
const char *crl_word(const struct crl_ca *c, const struct conf_issuer *conf);

/* ---- crl_make.c */

void crl_start(struct crl_ca *c);
/** Go on in the next turn. */
void crl_turn(struct crl_ca *c);

/* ---- crl_files.c */

/** What is in the folder: c->files, and c->behind where it is newer than the ledger's number. */
void crl_files_look(struct crl_ca *c, int64_t ledger_number);
/** One of the steps WRITE to WRITE_ALL. PKE_STALE: what stands there has a greater number. */
enum pke_err crl_files_write(struct crl_ca *c, struct pke_fail *fail);

/* ---- crl_verbs.c */

json_t *crl_json(const struct crl_ca *c, const struct conf_issuer *conf);
/** The making of one ended: who waits for it. */
void crl_verbs_ended(struct crl_ca *c, const struct pke_fail *fail);

#endif
