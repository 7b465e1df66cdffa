/* SPDX-License-Identifier: Apache-2.0 */
/* MS-XCEP GetPolicies as MS-MDE2 3.3 uses it. The order of the response's children is the schema's. */
#include "proto/xcep.h"

#include <inttypes.h>
#include <string.h>

#include "base/encode.h"
#include "proto/limits.h"
#include "proto/ns.h"

#define NIL(name) "<" name " xsi:nil=\"true\"/>"

/* The oIDReferenceID of the one oID, which the hash algorithm and the policy point at, and of the one CA. */
#define OID_REFERENCE "0"
#define CA_REFERENCE  "0"

/* Informational only: absent, doubled or odd values are no reason to refuse (mdm.md 5.1). */
static const char *read_fact(const struct xml_node *client, const char *name, struct pke_arena *arena)
{
    const struct xml_node *n = xml_child(client, NS_XCEP, name);
    const char *text;

    if (!n || n->first || n->text_len > LIMIT_CONTEXT_NAME)
        return NULL;
    text = xml_text_trimmed(n, arena);
    return *text ? text : NULL;
}

enum pke_err xcep_request_read(const struct xml_node *body, struct pke_arena *arena, struct xcep_request *ret,
                               struct pke_fail *fail)
{
    const struct xml_node *client = xml_child(body, NS_XCEP, "client");

    *ret = (struct xcep_request){NULL, NULL};
    if (!client || xml_next_same(client))
        return pke_fail_set(fail, PKE_MALFORMED, "xcep-client", "MS-XCEP 3.1.4.1.1.2",
                            "GetPolicies has not exactly one client element");
    ret->tpm_manufacturer = read_fact(client, "TPMManufacturer", arena);
    ret->tpm_firmware_version = read_fact(client, "TPMFirmwareVersion", arena);
    return PKE_OK;
}

static bool scalar_valid(const char *s)
{
    return s && !strpbrk(s, " \t\r\n") && xml_text_valid(s);
}

static enum pke_err check_policy(const struct xcep_policy *p, struct pke_fail *fail)
{
    if (!scalar_valid(p->policy_id) || !scalar_valid(p->common_name) || !*p->common_name)
        return pke_fail_set(fail, PKE_POLICY, "xcep-scalar", "MS-MDE2 3.3.4.1.1.2",
                            "The policy's id or name is missing or holds white space");
    if (p->ca && (!scalar_valid(p->ca->url) || !*p->ca->url || !p->ca->certificate.n))
        return pke_fail_set(fail, PKE_POLICY, "xcep-ca", "MS-XCEP 3.1.4.1.3.4",
                            "The CA's URL or certificate is missing or holds white space");
    if (p->attestation && (!scalar_valid(p->attestation->failure) ||
                           (p->attestation->maa_url && (!scalar_valid(p->attestation->maa_url) ||
                                                        !scalar_valid(p->attestation->maa_relying)))))
        return pke_fail_set(fail, PKE_POLICY, "xcep-attestation", "MS-MDE2 3.3.4.1.1.2",
                            "A value of the attestation is missing or holds white space");
    for (size_t i = 0; p->providers && i < p->providers->n; i++)
        if (!*p->providers->v[i] || !xml_text_valid(p->providers->v[i]))
            return pke_fail_set(fail, PKE_POLICY, "xcep-provider", "MS-XCEP 3.1.4.1.3.8",
                                "A cryptographic provider has no usable name");
    return PKE_OK;
}

static void add(struct pke_buf *out, const char *s)
{
    (void)pke_buf_add_str(out, s);
}

static void add_number(struct pke_buf *out, const char *name, uint64_t v)
{
    (void)pke_buf_printf(out, "<%s>%" PRIu64 "</%s>", name, v, name);
}

static void add_providers(const struct pke_strings *providers, struct pke_buf *out)
{
    if (!providers || providers->n == 0) {
        add(out, NIL("cryptoProviders"));
        return;
    }
    add(out, "<cryptoProviders>"); /* without this wrapper Windows ignores the list (mdm.md 5.3) */
    for (size_t i = 0; i < providers->n; i++)
        xml_add_element(out, "provider", providers->v[i]);
    add(out, "</cryptoProviders>");
}

/* The names of version 5.0; those of the block of 6.0, which is outside of MS-XCEP's schema, begin in lower
 * case.
 */
static void add_attestation(const struct xcep_attestation *a, struct pke_buf *out)
{
    if (!a)
        return;
    xml_add_element(out, "AttestationFailureBehavior", a->failure);
    add_number(out, "OperationTimeout", a->timeout_seconds);
}

static void add_attestation_block(const struct xcep_attestation *a, struct pke_buf *out)
{
    if (!a || !a->block)
        return;
    add(out, "<attestation>");
    xml_add_element(out, "attestationFailureBehavior", a->failure);
    add_number(out, "operationTimeout", a->timeout_seconds);
    if (a->maa_url) {
        add(out, "<azureAttestation>");
        xml_add_element(out, "relyingPartyId", a->maa_relying);
        xml_add_element(out, "endpointUri", a->maa_url);
        add(out, "</azureAttestation>");
    }
    add(out, "</attestation>");
}

static void add_attributes(const struct xcep_policy *p, struct pke_buf *out)
{
    add(out, "<attributes>");
    xml_add_element(out, "commonName", p->common_name);
    add(out, "<policySchema>3</policySchema><certificateValidity>");
    add_number(out, "validityPeriodSeconds", p->validity_seconds);
    add_number(out, "renewalPeriodSeconds", p->renewal_seconds);
    add(out,
        "</certificateValidity><permission><enroll>true</enroll><autoEnroll>false</autoEnroll></permission>"
        "<privateKeyAttributes>");
    add_number(out, "minimalKeyLength", p->minimal_key_length);
    add(out, NIL("keySpec") NIL("keyUsageProperty") NIL("permissions") NIL("algorithmOIDReference"));
    add_attestation(p->attestation, out);
    add_providers(p->providers, out);
    add(out, "</privateKeyAttributes><revision>");
    add_number(out, "majorRevision", p->major_revision);
    add_number(out, "minorRevision", p->minor_revision);
    add(out,
        "</revision>" NIL("supersededPolicies") NIL("privateKeyFlags") NIL("subjectNameFlags")
            NIL("enrollmentFlags") NIL("generalFlags") "<hashAlgorithmOIDReference>" OID_REFERENCE
                                                       "</hashAlgorithmOIDReference>" NIL("rARequirements")
                                                           NIL("keyArchivalAttributes") NIL("extensions"));
    add_attestation_block(p->attestation, out);
    add(out, "</attributes>");
}

static void add_ca(const struct xcep_ca *ca, struct pke_buf *out)
{
    if (!ca) {
        add(out, NIL("cAs"));
        return;
    }
    add(out, "<cAs><cA><uris><cAURI>");
    add_number(out, "clientAuthentication", ca->client_authentication);
    xml_add_element(out, "uri", ca->url);
    add(out, "<priority>1</priority><renewalOnly>false</renewalOnly></cAURI></uris><certificate>");
    (void)pke_base64_encode(ca->certificate, PKE_B64_STRICT, out);
    (void)pke_buf_printf(out, "</certificate><enrollPermission>%s</enrollPermission>",
                         ca->enroll_permission ? "true" : "false");
    add(out, "<cAReferenceID>" CA_REFERENCE "</cAReferenceID></cA></cAs>");
}

enum pke_err xcep_response_write(const struct xcep_policy *policy, struct pke_buf *out, struct pke_fail *fail)
{
    enum pke_err err = check_policy(policy, fail);

    if (err != PKE_OK)
        return err;
    add(out, "<GetPoliciesResponse xmlns=\"" NS_XCEP "\"><response>");
    xml_add_element(out, "policyID", policy->policy_id);
    add(out, NIL("policyFriendlyName") NIL("nextUpdateHours")
                 NIL("policiesNotChanged") "<policies><policy><policyOIDReference>" OID_REFERENCE
                                           "</policyOIDReference>");
    add(out, policy->ca ? "<cAs><cAReference>" CA_REFERENCE "</cAReference></cAs>" : NIL("cAs"));
    add_attributes(policy, out);
    add(out, "</policy></policies></response>");
    add_ca(policy->ca, out);
    /* One oID: Windows reads the first whatever the reference says (mdm.md 5.3). */
    add(out,
        "<oIDs><oID><value>2.16.840.1.101.3.4.2.1</value><group>1</group><oIDReferenceID>" OID_REFERENCE
        "</oIDReferenceID><defaultName>szOID_NIST_sha256</defaultName></oID></oIDs></GetPoliciesResponse>");
    return out->overflow
               ? pke_fail_set(fail, PKE_LIMIT, "xcep-size", "limits: answer", "The answer is too long")
               : PKE_OK;
}
