/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The wap-provisioningdoc: what the client's configuration service providers would do with it.
 */
#ifndef PROBE_PROVDOC_H
#define PROBE_PROVDOC_H

#include "probe/run.h"
#include "probe/xml.h"

/** Check document and certificates; fills p->certs, p->leaf, p->renew_period, p->provider_id. */
void provdoc_check(struct probe *p, struct pke_bytes text);

/** CertificateStore: thumbprints, stores, renewal settings. */
void certstore_check(struct probe *p, struct xml *x);

/** Whether the document has the short form of a renewal (MS-MDE2 2.2.9.1) or has to have it. */
bool renewal_form(struct probe *p, struct xml *x);

/** What the short form may have besides the certificates, and must not have. */
void renewal_check(struct probe *p, struct xml *x);

/** A renewed or recovered certificate against the one before it. Needs certificate_check. */
void renewal_certificate_check(struct probe *p);

/** The issued certificate: key, chain, profile. Needs certstore_check. */
void certificate_check(struct probe *p);

/** APPLICATION (w7). Fills p->provider_id. */
void application_check(struct probe *p, struct xml *x);

/** DMClient. Needs application_check. */
void dmclient_check(struct probe *p, struct xml *x);

/** Value of parm @p name directly below @p node; NULL when absent. */
const char *provdoc_parm(struct xml *x, xmlNode *node, const char *name);

/** Value of an integer parm with its datatype; false when absent or not one. */
bool provdoc_integer(struct xml *x, xmlNode *node, const char *name, unsigned long *ret);

#endif
