/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON that an authoriser answers, and that the rules of a file hold: what is not exactly it is no
 * answer. */
#include <jansson.h>
#include <string.h>

#include "base/mem.h"
#include "base/names.h"
#include "daemon/issuer/authoriser.h"
#include "policy/names.h"

#define RULE "authoriser: answer"

static enum pke_err bad(struct pke_fail *fail, const char *what, const char *name)
{
    return pke_fail_set(fail, PKE_MALFORMED, "authoriser-malformed", RULE, "the answer: %.64s %s", name,
                        what);
}

static const struct {
    const char *word;
    enum pke_err err;
} faults[] = {{"Authorization", PKE_DENIED},
              {"DeviceCapReached", PKE_QUOTA},
              {"DeviceNotSupported", PKE_DEVICE_UNSUPPORTED},
              {"UserLicense", PKE_LICENSE},
              {"InvalidEnrollmentData", PKE_ENROLLMENT_DATA},
              {"NotEligibleToRenew", PKE_RENEW_INELIGIBLE},
              {"CustomServerError", PKE_CUSTOM}};

static const char *text_of(const json_t *value)
{
    const char *text = json_string_value(value);

    return text && strlen(text) == json_string_length(value) ? text : NULL;
}

static enum pke_err read_decision(const json_t *value, struct authoriser_answer *ret, struct pke_fail *fail)
{
    static const char *const words[] = {
        [AUTHORISER_ALLOW] = "allow", [AUTHORISER_DENY] = "deny", [AUTHORISER_PEND] = "pend"};
    const char *word = text_of(value);

    for (size_t i = 0; word && i < PKE_LEN(words); i++)
        if (strcmp(word, words[i]) == 0) {
            ret->decision = (enum authoriser_decision)i;
            return PKE_OK;
        }
    return bad(fail, "is not allow, deny or pend", "decision");
}

static enum pke_err read_fault(const json_t *value, struct authoriser_answer *ret, struct pke_fail *fail)
{
    const char *word = text_of(value);

    for (size_t i = 0; word && i < PKE_LEN(faults); i++)
        if (strcmp(word, faults[i].word) == 0) {
            ret->fault = faults[i].err;
            return PKE_OK;
        }
    return bad(fail, "is none of those of MS-MDE2 that a frontend may choose", "fault");
}

/* It is shown to a user: one line. */
static enum pke_err read_text(const json_t *value, struct pke_arena *arena, struct authoriser_answer *ret,
                              struct pke_fail *fail)
{
    const char *text = text_of(value);
    size_t n = text ? strlen(text) : 0;

    if (n == 0 || n > AUTHORISER_TEXT_MAX)
        return bad(fail, "is not 1 to 200 bytes", "text");
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return bad(fail, "holds a control character", "text");
    ret->text = pke_arena_strdup(arena, text);
    return PKE_OK;
}

static enum pke_err add_name(const char *kind, const json_t *value, struct pke_arena *arena,
                             struct authoriser_answer *ret, struct pke_fail *fail)
{
    const char *text = text_of(value);

    if (!text || !policy_name_valid(kind, text))
        return bad(fail, "holds a value that is none of that kind", kind);
    if (ret->names.n == POLICY_NAMES_MAX)
        return bad(fail, "has too many names", "parameters");
    if (!policy_names_have(&ret->names, kind, text))
        pke_pairs_add(&ret->names, arena, kind, text);
    return PKE_OK;
}

static enum pke_err add_names(const char *kind, bool several, const json_t *value, struct pke_arena *arena,
                              struct authoriser_answer *ret, struct pke_fail *fail)
{
    enum pke_err err = PKE_OK;

    if (!json_is_array(value))
        return add_name(kind, value, arena, ret, fail);
    if (json_array_size(value) == 0 || (!several && json_array_size(value) > 1))
        return bad(fail, several ? "is empty" : "has exactly one value", kind);
    for (size_t i = 0; err == PKE_OK && i < json_array_size(value); i++)
        err = add_name(kind, json_array_get(value, i), arena, ret, fail);
    return err;
}

static enum pke_err read_parameter(const char *name, const json_t *value, struct pke_arena *arena,
                                   struct authoriser_answer *ret, struct pke_fail *fail)
{
    static const struct {
        const char *kind;
        bool several;
    } kinds[] = {{PKE_SAN_DNS, true},  {PKE_SAN_EMAIL, true}, {PKE_SAN_URI, true},
                 {PKE_SAN_UPN, false}, {PKE_NAME_SID, false}, {PKE_SAN_GUID, false}};

    if (strcmp(name, "validity") == 0) {
        ret->validity = json_is_integer(value) ? json_integer_value(value) : 0;
        return ret->validity >= AUTHORISER_VALIDITY_MIN ? PKE_OK
                                                        : bad(fail, "is not a number of 3600 or more", name);
    }
    for (size_t i = 0; i < PKE_LEN(kinds); i++)
        if (strcmp(name, kinds[i].kind) == 0)
            return add_names(name, kinds[i].several, value, arena, ret, fail);
    return bad(fail, "is no parameter", name);
}

static enum pke_err read_parameters(const json_t *object, struct pke_arena *arena,
                                    struct authoriser_answer *ret, struct pke_fail *fail)
{
    const char *name;
    json_t *value;
    enum pke_err err = json_is_object(object) ? PKE_OK : bad(fail, "is no object", "parameters");

    json_object_foreach((json_t *)object, name, value) if (err == PKE_OK) err =
        read_parameter(name, value, arena, ret, fail);
    return err;
}

static enum pke_err read_member(const char *name, const json_t *value, const char *id,
                                struct pke_arena *arena, struct authoriser_answer *ret, struct pke_fail *fail)
{
    if (strcmp(name, "version") == 0)
        return json_is_integer(value) && json_integer_value(value) == 1 ? PKE_OK
                                                                        : bad(fail, "is not 1", name);
    if (strcmp(name, "id") == 0 && id)
        return text_of(value) && strcmp(text_of(value), id) == 0
                   ? PKE_OK
                   : bad(fail, "is not that of the question", name);
    if (strcmp(name, "decision") == 0)
        return read_decision(value, ret, fail);
    if (strcmp(name, "fault") == 0)
        return read_fault(value, ret, fail);
    if (strcmp(name, "text") == 0)
        return read_text(value, arena, ret, fail);
    if (strcmp(name, "parameters") == 0)
        return read_parameters(value, arena, ret, fail);
    return bad(fail, "is no member of an answer", name);
}

/* A denial that sets names, or an allowance with a fault, means two things at once. */
static enum pke_err check_whole(const json_t *object, const char *id, const struct authoriser_answer *a,
                                struct pke_fail *fail)
{
    if (!json_object_get(object, "version") || !json_object_get(object, "decision") ||
        (id && !json_object_get(object, "id")))
        return bad(fail, "is missing", id ? "version, id or decision" : "version or decision");
    if (a->decision != AUTHORISER_ALLOW && json_object_get(object, "parameters"))
        return bad(fail, "belongs to allow", "parameters");
    if (a->decision != AUTHORISER_DENY && json_object_get(object, "fault"))
        return bad(fail, "belongs to deny", "fault");
    if (a->decision == AUTHORISER_ALLOW && a->text)
        return bad(fail, "belongs to deny and pend", "text");
    return PKE_OK;
}

enum pke_err authoriser_parameters_read(struct pke_bytes text, struct pke_arena *arena,
                                        struct authoriser_answer *ret, struct pke_fail *fail)
{
    json_t *object = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
    enum pke_err err = read_parameters(object, arena, ret, fail);

    json_decref(object);
    return err;
}

enum pke_err authoriser_answer_read(struct pke_bytes body, const char *id, struct pke_arena *arena,
                                    struct authoriser_answer *ret, struct pke_fail *fail)
{
    json_t *object = json_loadb((const char *)body.p, body.n, JSON_REJECT_DUPLICATES, NULL), *value;
    enum pke_err err = json_is_object(object) ? PKE_OK : bad(fail, "is no JSON object", "it");
    const char *name;

    *ret = (struct authoriser_answer){.fault = PKE_OK};
    json_object_foreach(object, name, value) if (err == PKE_OK) err =
        read_member(name, value, id, arena, ret, fail);
    if (err == PKE_OK)
        err = check_whole(object, id, ret, fail);
    if (err == PKE_OK && ret->decision == AUTHORISER_DENY && ret->fault == PKE_OK)
        ret->fault = ret->text ? PKE_CUSTOM : PKE_DENIED;
    json_decref(object);
    return err;
}
