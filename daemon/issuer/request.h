/* SPDX-License-Identifier: Apache-2.0 */
/** @file What prepare.c and request.c give each other; nobody else includes it. */
#ifndef DAEMON_ISSUER_REQUEST_H
#define DAEMON_ISSUER_REQUEST_H

#include "daemon/issuer/issuer.h"

/** Take it off the issuer's list and release it with its arena. Secrets in it are wiped. */
void request_free(struct request *req);

/** A request with the setup of today that nobody waits for yet. */
struct request *request_create(struct issuer *is);

/** It is valid: admit it, build it and go on with T1, or refuse it. */
void request_proceed(struct request *req);

/** DER, or the first block of PEM, in base64, into req->msg.request. PKE_MALFORMED. */
enum pke_err request_take_csr(struct request *req, const char *base64, struct pke_fail *fail);

/** req->msg is read: check it and go on, refuse it, or answer what is known. Takes over @p req. */
void request_start(struct request *req);

/** One more frame of net that gets the answer. */
void request_add_waiter(struct request *req, struct chan *net, uint64_t frame_id);

struct signing;
/** The part @p index of a call of the signing API gets the answer; exactly one. */
void request_add_call(struct request *req, struct signing *call, size_t index);

/** Who waits for @p from waits for @p to. */
void request_move_waiters(struct request *from, struct request *to);

/** Send @p record to everyone who waits and whose net still lives. */
void request_answer(struct request *req, uint16_t kind, const struct ipc_field *fields, const void *record);

/** req->fail says why: recorded (at the rate of refusals), then answered, then released. */
void request_refuse(struct request *req);

/** Answer with req->fail, unrecorded, and release. */
void request_end_failed(struct request *req);

/** Queue T1; what follows happens by itself. */
void request_intend(struct request *req);

/**
 * The device has the CA certificate that its old certificate came with; another one comes with the renewal
 * (MS-MDE2 2.2.9.1). @p by signed the answer. Its certificate is another one when the issuer is, and when it
 * was made again since: no certificate begins before the CA certificate that it was issued under.
 */
bool request_with_ca(const struct request *req, const struct issuer_ca *by);

#endif
