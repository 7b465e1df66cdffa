/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * A fragment of the provisioning document that an operator wrote: a file of `characteristic` elements for
 * what has no option of its own. It is only ever a tree: provdoc_write() serialises it with the rest.
 */
#ifndef PROTO_PROVFRAG_H
#define PROTO_PROVFRAG_H

#include "proto/xmltree.h"

#define PROVFRAG_MAX (64u << 10) /* bytes of the file, and of what it becomes in the document */

struct provfrag;

/**
 * Parse and check. Allowed are elements `characteristic` with the attribute type and `parm` with name, value
 * and datatype, without text, and at the top the configuration service providers that a client takes during
 * enrollment (MS-MDE2 2.2.9.1). Not CertificateStore and APPLICATION, which the daemon makes (one root, one
 * CA, one account); of DMClient only the provider @p provider_id, without what has an option.
 * @param line  where it is wrong, from 1, when refused
 * @return PKE_OK and *ret (provfrag_free()); PKE_MALFORMED, PKE_LIMIT or PKE_POLICY with the rule.
 */
enum pke_err provfrag_read(struct pke_bytes text, const char *provider_id, struct provfrag **ret,
                           unsigned *line, struct pke_fail *fail);
void provfrag_free(struct provfrag *f); /* accepts NULL */

/** The element whose children are the top-level characteristics; as long as @p f. */
const struct xml_node *provfrag_root(const struct provfrag *f);

#endif
