/* SPDX-License-Identifier: Apache-2.0 */
/** @file Every bound on what is parsed from a client's XML, in one place (attacks A06; evidence: measured XML
 * costs). */
#ifndef PROTO_LIMITS_H
#define PROTO_LIMITS_H

#define LIMIT_XML_BODY       (256u << 10) /* one envelope, bytes */
#define LIMIT_XML_DEPTH      32           /* elements open at once */
#define LIMIT_XML_ELEMENTS   1024         /* elements of a document */
#define LIMIT_XML_ATTRIBUTES 32           /* attributes and namespace declarations of one element */
#define LIMIT_XML_ATTR_TOTAL 256          /* '=' signs of tags, counted before libxml2 sees the document */
#define LIMIT_XML_TEXT       (192u << 10) /* text of one leaf element, bytes */
#define LIMIT_MESSAGE_ID     256
#define LIMIT_USERNAME       320
#define LIMIT_PASSWORD       1024
#define LIMIT_CONTEXT_ITEMS  128
#define LIMIT_CONTEXT_NAME   128
#define LIMIT_CONTEXT_VALUE  (32u << 10)
#define LIMIT_DEVICE_ID      128
#define LIMIT_RST_CONTEXT    1024 /* RequestSecurityToken/@Context, echoed */

#endif
