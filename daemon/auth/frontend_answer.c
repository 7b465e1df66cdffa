/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON that a frontend answers about a credential: what is not exactly it is no answer. */
#include <jansson.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/auth/frontend.h"
#include "daemon/common/assertion.h"

#define RULE       "authoriser: answer"
#define NAME_MAX   256 /* bytes of a principal or id */
#define VALUE_MAX  1024
#define CLAIMS_MAX 64
#define TEXT_MAX   200

static enum pke_err bad(struct pke_fail *fail, const char *what, const char *name)
{
    return pke_fail_set(fail, PKE_MALFORMED, "authoriser-malformed", RULE, "the answer: %.64s %s", name,
                        what);
}

/* UTF-8 by jansson, without NUL and control characters, 1 to @p max bytes; else NULL. */
static const char *line_of(const json_t *value, size_t max)
{
    const char *text = json_string_value(value);
    size_t n = text ? strlen(text) : 0;

    if (n == 0 || n > max || n != json_string_length(value))
        return NULL;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return NULL;
    return text;
}

static const struct {
    const char *word;
    enum pke_err err;
} faults[] = {{"Authentication", PKE_UNAUTHENTICATED},
              {"Authorization", PKE_DENIED},
              {"DeviceCapReached", PKE_QUOTA},
              {"UserLicense", PKE_LICENSE},
              {"CustomServerError", PKE_CUSTOM}};

static enum pke_err read_fault(const json_t *value, struct frontend_answer *ret, struct pke_fail *fail)
{
    const char *word = line_of(value, TEXT_MAX);

    for (size_t i = 0; word && i < PKE_LEN(faults); i++)
        if (strcmp(word, faults[i].word) == 0) {
            ret->fault = faults[i].err;
            return PKE_OK;
        }
    return bad(fail, "is none of those of MS-MDE2 that a frontend may choose here", "fault");
}

static bool claim_name(const char *name)
{
    size_t n = strlen(name);

    return n > 0 && n <= 64 && name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_")] == '\0';
}

/* What auth itself says of certificates, keys and tokens is not the frontend's to say. */
static bool reserved(const char *name)
{
    static const char *const names[] = {ASSERTION_CERTIFICATE_SHA256,
                                        ASSERTION_ISSUER_SHA256,
                                        ASSERTION_KEY_SHA256,
                                        "token-issuer",
                                        "authenticator",
                                        "jti",
                                        "jti-expires",
                                        "id"};

    for (size_t i = 0; i < PKE_LEN(names); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static enum pke_err read_claims(const json_t *object, struct pke_arena *arena, struct frontend_answer *ret,
                                struct pke_fail *fail)
{
    const char *name;
    json_t *value;

    if (!json_is_object(object) || json_object_size(object) > CLAIMS_MAX)
        return bad(fail, "is no object of at most 64 members", "claims");
    json_object_foreach((json_t *)object, name, value)
    {
        const char *text = line_of(value, VALUE_MAX);

        if (!claim_name(name) || reserved(name))
            return bad(fail, "is no name of a claim", name);
        if (!text)
            return bad(fail, "is no text of 1 to 1024 bytes", name);
        pke_pairs_add(&ret->claims, arena, name, text);
    }
    return PKE_OK;
}

static enum pke_err read_principal(const json_t *object, struct pke_arena *arena, struct frontend_answer *ret,
                                   struct pke_fail *fail)
{
    const char *name, *text;
    json_t *value;

    if (!json_is_object(object))
        return bad(fail, "is no object", "principal");
    json_object_foreach((json_t *)object, name, value)
    {
        if (strcmp(name, "claims") == 0) {
            if (read_claims(value, arena, ret, fail) != PKE_OK)
                return fail->err;
            continue;
        }
        text = line_of(value, NAME_MAX);
        if (strcmp(name, "name") != 0 && strcmp(name, "user_id") != 0)
            return bad(fail, "is no member of a principal", name);
        if (!text)
            return bad(fail, "is no text of 1 to 256 bytes", name);
        *(strcmp(name, "name") == 0 ? &ret->principal : &ret->user_id) = pke_arena_strdup(arena, text);
    }
    return ret->principal ? PKE_OK : bad(fail, "is missing", "principal.name");
}

static enum pke_err read_member(const char *name, const json_t *value, const char *id,
                                struct pke_arena *arena, struct frontend_answer *ret, struct pke_fail *fail)
{
    const char *text = line_of(value, NAME_MAX);

    if (strcmp(name, "version") == 0)
        return json_is_integer(value) && json_integer_value(value) == 1 ? PKE_OK
                                                                        : bad(fail, "is not 1", name);
    if (strcmp(name, "id") == 0)
        return text && strcmp(text, id) == 0 ? PKE_OK : bad(fail, "is not that of the question", name);
    if (strcmp(name, "decision") == 0) {
        ret->allowed = text && strcmp(text, "allow") == 0;
        return ret->allowed || (text && strcmp(text, "deny") == 0) ? PKE_OK
                                                                   : bad(fail, "is not allow or deny", name);
    }
    if (strcmp(name, "fault") == 0)
        return read_fault(value, ret, fail);
    if (strcmp(name, "principal") == 0)
        return read_principal(value, arena, ret, fail);
    if (strcmp(name, "text") != 0)
        return bad(fail, "is no member of an answer", name);
    text = line_of(value, TEXT_MAX);
    ret->text = text ? pke_arena_strdup(arena, text) : NULL;
    return text ? PKE_OK : bad(fail, "is not one line of 1 to 200 bytes", name);
}

static enum pke_err check_whole(const json_t *object, const struct frontend_answer *a, struct pke_fail *fail)
{
    if (!json_object_get(object, "version") || !json_object_get(object, "decision") ||
        !json_object_get(object, "id"))
        return bad(fail, "is missing", "version, id or decision");
    if (a->allowed != (json_object_get(object, "principal") != NULL))
        return bad(fail, "belongs to allow, and only there", "principal");
    if (a->allowed && (a->fault || a->text))
        return bad(fail, "belongs to deny", "fault or text");
    return PKE_OK;
}

enum pke_err frontend_answer_read(struct pke_bytes body, const char *id, struct pke_arena *arena,
                                  struct frontend_answer *ret, struct pke_fail *fail)
{
    json_t *object = json_loadb((const char *)body.p, body.n, JSON_REJECT_DUPLICATES, NULL), *value;
    enum pke_err err = json_is_object(object) ? PKE_OK : bad(fail, "is no JSON object", "it");
    const char *name;

    *ret = (struct frontend_answer){.fault = PKE_OK};
    if (err == PKE_OK)
        json_object_foreach(object, name, value) if (err == PKE_OK) err =
            read_member(name, value, id, arena, ret, fail);
    if (err == PKE_OK)
        err = check_whole(object, ret, fail);
    if (err == PKE_OK && !ret->allowed && ret->fault == PKE_OK)
        ret->fault = ret->text ? PKE_CUSTOM : PKE_UNAUTHENTICATED;
    json_decref(object);
    return err;
}
