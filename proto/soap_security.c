/* SPDX-License-Identifier: Apache-2.0 */
/* Which credential a request carries is decided by what the header contains (mdm.md 4.6, MS-MDE2 3.4.1). */
#include "proto/soap_security.h"

#include <string.h>
#include <strings.h>

#include "proto/limits.h"
#include "proto/ns.h"

static bool is_element(const struct xml_node *n, const char *ns, const char *name)
{
    return strcmp(n->name, name) == 0 && strcmp(n->ns, ns) == 0;
}

bool soap_is_secret(const struct xml_node *n)
{
    if (strcmp(n->name, "Password") == 0)
        return true;
    return is_element(n, NS_WSSE, "BinarySecurityToken") && n->parent &&
           is_element(n->parent, NS_WSSE, "Security");
}

static const char *trimmed(const char *text, struct pke_arena *arena)
{
    const struct xml_node n = {.text = text, .text_len = strlen(text)};

    return xml_text_trimmed(&n, arena);
}

const char *soap_attr_trimmed(const struct xml_node *n, const char *name, struct pke_arena *arena)
{
    const char *value = xml_attr_any_ns(n, name);

    return value ? trimmed(value, arena) : NULL;
}

bool soap_encoding_is_base64(const struct xml_node *token, struct pke_arena *arena)
{
    const char *type = soap_attr_trimmed(token, "EncodingType", arena);

    return !type || strcasecmp(type, URI_ENC_BASE64) == 0;
}

static enum pke_err invalid(struct pke_fail *fail, const char *reason, const char *rule, const char *text)
{
    return pke_fail_set(fail, PKE_INVALID_SECURITY, reason, rule, "%s", text);
}

/* The one child of that name; *ret NULL when there is none. */
static enum pke_err only_child(const struct xml_node *n, const char *ns, const char *name,
                               struct xml_node **ret, struct pke_fail *fail)
{
    *ret = xml_child(n, ns, name);
    if (*ret && xml_next_same(*ret))
        return pke_fail_set(fail, PKE_INVALID_SECURITY, "wsse-doubled", "WSS SOAP Message Security 1.0 5",
                            "The Security header has more than one %s", name);
    return PKE_OK;
}

/* Documentation and clients write Type, wsse:Type or nothing (mdm.md 4.3); whichever is there must say text.
 */
static bool is_password_text(const struct xml_node *password, struct pke_arena *arena)
{
    for (const struct xml_attr *a = password->attrs; a; a = a->next)
        if (strcmp(a->name, "Type") == 0 && strcmp(trimmed(a->value, arena), URI_PW_TEXT) != 0)
            return false;
    return true;
}

static bool has_control(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return true;
    return false;
}

static enum pke_err read_username(const struct xml_node *token, struct pke_arena *arena, const char **ret,
                                  struct pke_fail *fail)
{
    struct xml_node *name;
    enum pke_err err = only_child(token, NS_WSSE, "Username", &name, fail);

    if (err != PKE_OK)
        return err;
    if (name && name->first)
        return invalid(fail, "wsse-username", "WSS UsernameToken Profile 1.0 3", "Username is not a text");
    *ret = name ? xml_text_trimmed(name, arena) : "";
    if (strlen(*ret) > LIMIT_USERNAME)
        return pke_fail_set(fail, PKE_LIMIT, "wsse-username", "limits: user name",
                            "The user name is too long");
    if (has_control(*ret))
        return invalid(fail, "wsse-username", "WSS UsernameToken Profile 1.0 3",
                       "The user name holds control characters");
    return PKE_OK;
}

static enum pke_err read_password(const struct xml_node *token, struct pke_arena *arena,
                                  struct pke_bytes *ret, struct pke_fail *fail)
{
    struct xml_node *password;
    enum pke_err err = only_child(token, NS_WSSE, "Password", &password, fail);

    if (err != PKE_OK || !password)
        return err;
    if (password->first)
        return invalid(fail, "wsse-password", "WSS UsernameToken Profile 1.0 3", "Password is not a text");
    if (!is_password_text(password, arena))
        return invalid(fail, "wsse-password-type", "MS-MDE2 3.4.4.1.1.1",
                       "The password is not sent as PasswordText");
    if (password->text_len > LIMIT_PASSWORD)
        return pke_fail_set(fail, PKE_LIMIT, "wsse-password", "limits: password", "The password is too long");
    *ret = PKE_BYTES(password->text, password->text_len);
    return PKE_OK;
}

static enum pke_err read_username_token(const struct xml_node *token, struct pke_arena *arena,
                                        struct soap_credential *ret, struct pke_fail *fail)
{
    const char *username = NULL;
    struct pke_bytes password = {NULL, 0};
    enum pke_err err = read_username(token, arena, &username, fail);

    if (err == PKE_OK)
        err = read_password(token, arena, &password, fail);
    if (err != PKE_OK)
        return err;
    if (password.n == 0) {
        ret->kind = SOAP_CRED_USERNAME_EMPTY;
    } else if (*username) {
        ret->kind = SOAP_CRED_USERNAME;
        ret->password = password;
    } else {
        return PKE_OK; /* a password of nobody is no credential */
    }
    ret->username = username;
    return PKE_OK;
}

static enum pke_err read_binary_token(const struct xml_parser *xml, const struct xml_node *token,
                                      struct pke_arena *arena, struct soap_credential *ret,
                                      struct pke_fail *fail)
{
    const char *type = soap_attr_trimmed(token, "ValueType", arena);
    char *text = xml_secret_text(xml, token);
    size_t n = 0;

    if (token->first)
        return invalid(fail, "wsse-token", "WSS SOAP Message Security 1.0 6.3", "The token is not a text");
    if (!soap_encoding_is_base64(token, arena))
        return invalid(fail, "wsse-encoding-type", "MS-MDE2 3.4.4.1.1.1", "The token is not sent as base64");
    for (size_t i = 0; text && i < token->text_len; i++)
        if (!xml_is_blank(text + i, 1))
            text[n++] = text[i];
    ret->token = PKE_BYTES(text, n);
    if (type && strcmp(type, URI_VT_JWT) == 0)
        ret->kind = SOAP_CRED_JWT;
    else if (type && strcmp(type, URI_VT_USER) == 0)
        ret->kind = SOAP_CRED_DEVICE_TOKEN;
    return PKE_OK;
}

enum pke_err soap_security_read(const struct xml_parser *xml, const struct xml_node *n,
                                struct pke_arena *arena, struct soap_credential *ret, struct pke_fail *fail)
{
    struct soap_credential user = {.kind = SOAP_CRED_EMPTY}, binary = user;
    struct xml_node *username, *token, *signature;
    enum pke_err err = only_child(n, NS_WSSE, "UsernameToken", &username, fail);

    if (err == PKE_OK)
        err = only_child(n, NS_WSSE, "BinarySecurityToken", &token, fail);
    if (err == PKE_OK)
        err = only_child(n, NS_DSIG, "Signature", &signature, fail);
    if (err == PKE_OK && username)
        err = read_username_token(username, arena, &user, fail);
    if (err == PKE_OK && token)
        err = read_binary_token(xml, token, arena, &binary, fail);
    if (err != PKE_OK)
        return err;
    if (signature)
        binary.kind = SOAP_CRED_CERTIFICATE;
    *ret = binary.kind != SOAP_CRED_EMPTY ? binary : user;
    return PKE_OK;
}
