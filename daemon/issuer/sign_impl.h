/* SPDX-License-Identifier: Apache-2.0 */
/** @file Private to sign*.c. */
#ifndef DAEMON_ISSUER_SIGN_IMPL_H
#define DAEMON_ISSUER_SIGN_IMPL_H

#include <jansson.h>

#include "daemon/issuer/sign.h"

/** Arguments of one part. */
struct sign_args {
    const char *operation; /* "issue" or "renew" */
    struct pke_pairs v;    /* of the verb sign or renew */
};

/** Fill @p req from them, with req->vouched. PKE_MALFORMED and the like in req->fail. */
enum pke_err sign_read(struct request *req, const struct msg_verb *v, const struct sign_args *args);

/** What the frontend gets; one owner. */
json_t *sign_view(struct issuer *is, const struct msg_issued *m);

/** Who signs the template now: its certificate and chain. */
json_t *sign_issuer(const struct issuer_template *t);

/** For PKE_CLEANUP: text of the JSON library. */
void sign_free_json_text(char **text);

#endif
