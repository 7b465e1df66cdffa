/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/fuzz_mdm.h"

#include <string.h>

#include "base/mem.h"
#include "proto/fault.h"
#include "proto/limits.h"
#include "proto/ns.h"

#define TRACE "00000000-0000-4000-8000-000000000000"

static const struct xml_node *find(const struct xml_node *n, const char *name)
{
    const struct xml_node *found = strcmp(n->name, name) == 0 ? n : NULL;

    for (const struct xml_node *c = n->first; c && !found; c = c->next)
        found = find(c, name);
    return found;
}

const char *fuzz_text(const struct xml_node *n, const char *name, struct pke_arena *arena)
{
    const struct xml_node *found = find(n, name);

    return found ? xml_text_trimmed(found, arena) : NULL;
}

const struct xml_node *fuzz_reply(const struct soap_request *r, struct pke_buf *body, struct pke_arena *arena)
{
    static struct xml_parser *parser;
    const struct soap_reply reply = {.action = SOAP_ACTION_RSTRC,
                                     .relates_to = r->message_id,
                                     .activity_id = TRACE,
                                     .body_attributes = XCEP_BODY_ATTRIBUTES};
    PKE_CLEANUP(pke_buf_done) struct pke_buf out;
    const struct xml_node *relates;
    struct xml_node *root, *got;

    parser = parser ? parser : xml_parser_new();
    pke_buf_init(&out, 4 * LIMIT_XML_BODY);
    FUZZ_MUST(soap_reply_write(&reply, pke_buf_bytes(body), &out) == PKE_OK);
    pke_buf_done(body);
    FUZZ_MUST(xml_parse(parser, pke_buf_bytes(&out), arena, &root, NULL) == PKE_OK);
    relates = find(root, "RelatesTo");
    FUZZ_MUST(!r->message_id || (relates && strcmp(relates->text, r->message_id) == 0));
    got = xml_child(root, NS_SOAP, "Body");
    FUZZ_MUST(got && got->first && !got->first->next);
    return got->first;
}

static void refused(const struct soap_request *r, const struct pke_fail *fail, struct pke_arena *arena)
{
    struct pke_buf fault;
    const char *text;

    pke_buf_init(&fault, LIMIT_XML_BODY);
    FUZZ_MUST(fault_mdm_write(fail, TRACE, NULL, &fault) == PKE_OK);
    text = fuzz_text(fuzz_reply(r, &fault, arena), "Text", arena);
    FUZZ_MUST(text && strcmp(text, fault_mdm_text(fail)) == 0);
}

static void check_credential(const struct soap_credential *c)
{
    bool user = c->kind == SOAP_CRED_USERNAME, empty = c->kind == SOAP_CRED_USERNAME_EMPTY;

    FUZZ_MUST(c->kind <= SOAP_CRED_CERTIFICATE && (c->username != NULL) == (user || empty));
    FUZZ_MUST(!user || (*c->username && c->password.n));
    FUZZ_MUST(user || c->password.n == 0);
    FUZZ_MUST(!c->username || strlen(c->username) <= LIMIT_USERNAME);
    FUZZ_MUST(c->password.n <= LIMIT_PASSWORD);
    for (const char *p = c->username; p && *p; p++)
        FUZZ_MUST((unsigned char)*p >= 0x20 && *p != 0x7f);
    for (size_t i = 0; i < c->token.n; i++)
        FUZZ_MUST(!xml_is_blank((const char *)c->token.p + i, 1));
}

bool fuzz_envelope(struct pke_bytes in, struct pke_arena *arena, struct soap_request *ret)
{
    static struct soap_parser *parser;
    struct pke_fail fail = {0};

    parser = parser ? parser : soap_parser_new();
    if (!fuzz_said(soap_request_parse(parser, in, arena, ret, &fail), &fail)) {
        FUZZ_MUST(!ret->body);
        refused(ret, &fail, arena);
        return false;
    }
    FUZZ_MUST(ret->stage < SOAP_OTHER_BODY && ret->body && in.n <= LIMIT_XML_BODY);
    FUZZ_MUST(!ret->message_id || strlen(ret->message_id) <= LIMIT_MESSAGE_ID);
    check_credential(&ret->credential);
    return true;
}

bool fuzz_get_policies(const struct soap_request *r, struct pke_arena *arena, struct xcep_request *ret)
{
    struct pke_fail fail = {0};

    if (!fuzz_said(xcep_request_read(r->body, arena, ret, &fail), &fail)) {
        refused(r, &fail, arena);
        return false;
    }
    for (size_t i = 0; i < 2; i++) {
        const char *fact = i ? ret->tpm_manufacturer : ret->tpm_firmware_version;
        FUZZ_MUST(!fact || (*fact && strlen(fact) <= LIMIT_CONTEXT_NAME && xml_text_valid(fact)));
    }
    return true;
}

/* proto/wstep.h: the names once each but for three, the two that are looked at in their form. */
static void check_context(const struct wstep_request *r)
{
    static const char *const many[] = {"MAC", "IMEI", "ExternalMgmtAgentHint"};
    bool renew = r->operation == WSTEP_RENEW;

    FUZZ_MUST(r->context.n <= LIMIT_CONTEXT_ITEMS);
    for (size_t i = 0; i < r->context.n; i++) {
        const struct pke_pair *item = &r->context.v[i];
        bool repeats = false;
        for (size_t k = 0; k < PKE_LEN(many); k++)
            repeats |= strcmp(many[k], item->name) == 0;
        FUZZ_MUST(*item->name && strlen(item->name) <= LIMIT_CONTEXT_NAME);
        FUZZ_MUST(strlen(item->value) <= LIMIT_CONTEXT_VALUE);
        FUZZ_MUST(repeats || pke_pairs_get(&r->context, item->name) == item->value);
    }
    FUZZ_MUST(r->device_id == pke_pairs_get(&r->context, "DeviceID"));
    FUZZ_MUST(renew || (r->device_id && r->enrollment_type));
    FUZZ_MUST(!r->device_id || (*r->device_id && strlen(r->device_id) <= LIMIT_DEVICE_ID));
    for (const char *p = r->device_id; p && *p; p++)
        FUZZ_MUST(*p > 0x20 && *p < 0x7f);
    FUZZ_MUST(!r->enrollment_type || strcmp(r->enrollment_type, "Full") == 0 ||
              strcmp(r->enrollment_type, "Device") == 0);
}

bool fuzz_rst(const struct soap_request *r, struct pke_arena *arena, struct wstep_request *ret)
{
    struct pke_fail fail = {0};

    if (!fuzz_said(wstep_request_read(r->body, arena, ret, &fail), &fail)) {
        refused(r, &fail, arena);
        return false;
    }
    FUZZ_MUST(ret->request.n && ret->request.p[0] == 0x30 && ret->request.n <= LIMIT_XML_TEXT);
    FUZZ_MUST(!ret->rst_context || strlen(ret->rst_context) <= LIMIT_RST_CONTEXT);
    check_context(ret);
    return true;
}
