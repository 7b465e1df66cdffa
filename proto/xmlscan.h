/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What is looked at before libxml2 sees a document: encoding, XML declaration, DOCTYPE, number of attributes.
 * Private to proto/.
 */
#ifndef PROTO_XMLSCAN_H
#define PROTO_XMLSCAN_H

#include "base/bytes.h"

/**
 * Check @p doc and return in *ret the range to parse (without a UTF-8 byte order mark); when it refuses, *ret
 * begins where it stopped. @p attributes: how many there may be in all tags together.
 * @return PKE_OK; PKE_MALFORMED; PKE_LIMIT (size, attributes). What it accepts need not be well-formed.
 */
enum pke_err xml_scan(struct pke_bytes doc, unsigned attributes, struct pke_bytes *ret,
                      struct pke_fail *fail);

#endif
