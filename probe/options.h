/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Command line of pkienroll-probe.
 */
#ifndef PROBE_OPTIONS_H
#define PROBE_OPTIONS_H

#include <stdbool.h>

#include "base/list.h"
#include "base/secret.h"

#define PROBE_DEFAULT_OUT "pkienroll-probe.out"

enum probe_exit { PROBE_GOOD = 0, PROBE_BAD = 1, PROBE_USAGE = 2, PROBE_UNREACHABLE = 69 };

enum probe_command { PROBE_ENROLL, PROBE_RENEW, PROBE_RECOVER, PROBE_SOAK };

enum probe_type { PROBE_FULL, PROBE_DEVICE };

/** String type of the common name: the three shapes seen from Windows clients. */
enum probe_shape { PROBE_SHAPE_UTF8, PROBE_SHAPE_PRINTABLE, PROBE_SHAPE_NUL };

/** ValueType of a JWT: of the frontend's own sign-in page, or of Entra ID. */
enum probe_jwt_kind { PROBE_JWT_CUSTOM, PROBE_JWT_ENTRA };

/** Namespace of the ValueType #PKCS7: MS-MDE2 says one, MS-WSTEP the other. */
enum probe_pkcs7 { PROBE_PKCS7_SECEXT, PROBE_PKCS7_ENROLLMENT };

struct probe_options {
    struct pke_arena *arena; /* owns the context items and what an earlier run told */
    int command;             /* enum probe_command */
    const char *policy_url;  /* NULL with skip_policy */
    const char *enroll_url;
    const char *user;            /* NULL: a token stands for somebody that the run does not know */
    struct pke_secret *password; /* owned; probe_options_done */
    struct pke_secret *token;    /* one-time token, instead of user and password; owned */
    struct pke_secret *jwt;      /* compact JWT, instead of both; owned */
    int jwt_kind;                /* enum probe_jwt_kind */
    const char *cert_file;       /* client certificate (PEM); its key is in key_file */
    const char *key_file;        /* without cert_file: as request_key_file */
    const char *request_key_file;
    bool sign; /* sign the header with the client certificate */
    bool tls;  /* present the certificate on the connection; in renew: the expiring one */
    int type;  /* enum probe_type */
    bool type_given;
    int shape;                /* enum probe_shape */
    const char *device_id;    /* NULL: kept in the artefact folder, or random */
    const char *device_name;  /* NULL: made of the device id */
    struct pke_pairs context; /* more context items, or others in the place of the usual ones */
    const char *ca_file;
    const char *in;  /* artefact folder of an earlier run; NULL: none */
    const char *out; /* artefact folder */
    const char *csr_file;
    bool manual, same_key, repeat;
    int value_type; /* enum probe_pkcs7 */
    long count;     /* renewals of soak */
    long timeout;   /* seconds for one exchange */
    bool skip_policy, policy_given;
    bool json;
};

/**
 * Parse the command line. A password, token or JWT given as an argument is overwritten there.
 * @return -1 to go on; otherwise the exit status (help and version: 0, wrong usage: 2, said on stderr).
 */
int probe_options_parse(struct probe_options *opt, int argc, char **argv);

/** Whether the options, filled up with what an earlier run told, are enough: as probe_options_parse. */
int probe_options_validate(const struct probe_options *opt);

/** Say on stderr what is wrong; @p value may be NULL. Returns PROBE_USAGE. */
int probe_refuse(const char *what, const char *value);

/** The text of --help. */
extern const char probe_usage[];

void probe_options_done(struct probe_options *opt);

#endif
