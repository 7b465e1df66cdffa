/* SPDX-License-Identifier: Apache-2.0 */
/** @file What the tests of proto/ share: data files, editing of messages, one parser and one arena. */
#ifndef TESTS_UNIT_TEST_PROTO_UTIL_H
#define TESTS_UNIT_TEST_PROTO_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/wstep.h"
#include "proto/xcep.h"

#define SOAP12 "http://www.w3.org/2003/05/soap-envelope"
#define WSA    "http://www.w3.org/2005/08/addressing"
#define WSSE   "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
#define WST    "http://docs.oasis-open.org/ws-sx/ws-trust/200512"
#define AUTH   "http://schemas.xmlsoap.org/ws/2006/12/authorization"
#define XCEP   "http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy"
#define WSTEP  "http://schemas.microsoft.com/windows/pki/2009/01/enrollment"
#define DISP   "http://schemas.microsoft.com/net/2005/12/windowscommunicationfoundation/dispatcher"

/* Group fixture: test_arena is empty at the start of each test and lives until its end. */
extern struct pke_arena *test_arena;
int test_setup(void **state);
int test_teardown(void **state);

/** A file below tests/data, NUL-terminated in test_arena; the test fails when it cannot be read. */
char *test_data(const char *name);
struct pke_bytes test_data_bytes(const char *name);

/** @p text with the one occurrence of @p old replaced; the test fails when there is none or are two. */
char *test_replace(const char *text, const char *old, const char *fresh);
/** All occurrences, at least one. */
char *test_replace_all(const char *text, const char *old, const char *fresh);
/** Replace from the first @p from up to and without the next @p to. */
char *test_cut(const char *text, const char *from, const char *to, const char *fresh);

/** Parse a whole request; *fail and *r are of the last one. */
extern struct soap_request test_request;
extern struct pke_fail test_fail;
enum pke_err test_parse(const char *message);
/** Parse it and read its body by stage; test_rst or test_policy. */
extern struct wstep_request test_rst;
extern struct xcep_request test_policy;
enum pke_err test_read(const char *message);
/** All that was understood of a message, as text. The test fails when it is refused. */
char *test_summary(const char *message);

/** Write @p n again: every element with its own declarations. prefix NULL: default namespaces. pad: white
 * space around texts and attribute values but passwords. */
void test_rewrite(const struct xml_node *n, const char *prefix, const char *pad, struct pke_buf *out);

/** Parse bytes as a bare tree. */
enum pke_err test_tree(const void *p, size_t n, struct xml_node **ret);

/** First element in document order with that name, NULL when absent. */
const struct xml_node *test_find(const struct xml_node *n, const char *ns, const char *name);
unsigned test_count(const struct xml_node *n, const char *name);

#endif
