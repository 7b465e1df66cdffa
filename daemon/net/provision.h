/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * From what was issued and what the configuration says to the wap-provisioningdoc (MS-MDE2 2.2.9.1).
 */
#ifndef DAEMON_NET_PROVISION_H
#define DAEMON_NET_PROVISION_H

#include "base/list.h"
#include "daemon/common/conf.h"
#include "daemon/common/msg.h"
#include "daemon/net/catalogue.h"
#include "daemon/net/snapshot.h"

/* bytes of a document: options and fragments are bounded so that none comes near it */
#define PROVISION_MAX (256u << 10)

struct provision_input {
    bool renewal; /* the short document of MS-MDE2 3.5 (mdm.md 9.4); no secrets are needed */
    bool with_ca; /* of a renewal: with root and intermediate, for an issuer that the device may not know */
    const struct conf_provisioning *conf;
    const struct net_secrets *secrets;     /* of that section */
    const struct catalogue_issuer *issuer; /* who signed: NULL is refused */
    const struct msg_issued *issued;
    const struct pke_pairs *context; /* the request's ContextItems */
};

/** Append the document. @return PKE_OK; PKE_INTERNAL when the issuer's certificate is not known to net;
 * PKE_POLICY for a missing value; PKE_LIMIT when @p out is full. */
enum pke_err provision_write(const struct provision_input *in, struct pke_buf *out, struct pke_fail *fail);

#endif
