/* SPDX-License-Identifier: Apache-2.0 */
/** @file Is a name in a subtree? Pure. Private to ca/constraints*.c. */
#ifndef CA_CONSTRAINTS_MATCH_H
#define CA_CONSTRAINTS_MATCH_H

#include "base/bytes.h"
#include "base/list.h"

enum ca_subtree_form {
    CA_SUBTREE_DNS,
    CA_SUBTREE_EMAIL,
    CA_SUBTREE_URI,
    CA_SUBTREE_DIRECTORY,
    CA_SUBTREE_UPN
};

/** Does @p base mean something here? Text of printable ASCII (of UPNs UTF-8), or a Name of known strings. */
bool ca_subtree_understood(enum ca_subtree_form form, struct pke_bytes base);

/** @p value in the subtree; @p wide: what may be in it by some reading is. Not for directoryName. */
bool ca_subtree_match(enum ca_subtree_form form, struct pke_bytes base, struct pke_bytes value, bool wide);

/** The subject begins with the RDNs of the DER Name @p base. */
bool ca_subtree_directory(struct pke_bytes base, const struct pke_pairs *subject, bool wide);

/** Host name of a URI with an authority; empty when there is none or it is an address. */
struct pke_bytes ca_subtree_uri_host(struct pke_bytes uri);

#endif
