/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/msg.h"

#include <string.h>

const struct ipc_field msg_empty_fields[] = {{0, IPC_U64, 0, false}};

const struct ipc_field msg_conf_fields[] = {
    {1, IPC_STR, offsetof(struct msg_conf, file), true},
    {2, IPC_BYTES, offsetof(struct msg_conf, text), true},
    {3, IPC_BYTES, offsetof(struct msg_conf, assertion_key), false},
    {4, IPC_PAIRS, offsetof(struct msg_conf, hints), false},
    {0, IPC_U64, 0, false},
};

const struct ipc_field msg_link_fields[] = {
    {1, IPC_U64, offsetof(struct msg_link, peer), true},
    {2, IPC_U64, offsetof(struct msg_link, index), true},
    {3, IPC_STR, offsetof(struct msg_link, name), false},
    {4, IPC_U64, offsetof(struct msg_link, pid), false},
    {0, IPC_U64, 0, false},
};

const struct ipc_field msg_socket_fields[] = {
    {1, IPC_STR, offsetof(struct msg_socket, name), true},
    {0, IPC_U64, 0, false},
};

const struct ipc_field msg_state_fields[] = {
    {1, IPC_STR, offsetof(struct msg_state, state), true},
    {2, IPC_STR, offsetof(struct msg_state, text), false},
    {3, IPC_PAIRS, offsetof(struct msg_state, facts), false},
    {0, IPC_U64, 0, false},
};

const struct ipc_field msg_failed_fields[] = {
    {1, IPC_FAIL, offsetof(struct msg_failed, fail), true},
    {2, IPC_U64, offsetof(struct msg_failed, retry_ms), false},
    {3, IPC_STR, offsetof(struct msg_failed, trace_id), false},
    {0, IPC_U64, 0, false},
};

const struct ipc_field msg_auth_fields[] = {
    {1, IPC_STR, offsetof(struct msg_auth, tenant), true},
    {2, IPC_STR, offsetof(struct msg_auth, endpoint), true},
    {3, IPC_STR, offsetof(struct msg_auth, stage), true},
    {4, IPC_STR, offsetof(struct msg_auth, kind), true},
    {5, IPC_STR, offsetof(struct msg_auth, username), false},
    {6, IPC_BYTES, offsetof(struct msg_auth, password), false},
    {7, IPC_STR, offsetof(struct msg_auth, source), false},
    {8, IPC_BYTES, offsetof(struct msg_auth, request_hash), false},
    {9, IPC_U64, offsetof(struct msg_auth, deadline), true},
    {10, IPC_BYTES, offsetof(struct msg_auth, token), false},
    {11, IPC_BYTES, offsetof(struct msg_auth, document), false},
    {12, IPC_BYTES, offsetof(struct msg_auth, client_certificate), false},
    {13, IPC_STR, offsetof(struct msg_auth, trace_id), false},
    {0, IPC_U64, 0, false},
};

const struct ipc_field msg_auth_ask_fields[] = {
    {1, IPC_STR, offsetof(struct msg_auth_ask, authenticator), true},
    {2, IPC_BYTES, offsetof(struct msg_auth_ask, question), true},
    {3, IPC_BYTES, offsetof(struct msg_auth_ask, ticket), true},
    {0, IPC_U64, 0, false},
};

const struct ipc_field msg_auth_answer_fields[] = {
    {1, IPC_BYTES, offsetof(struct msg_auth_answer, ticket), true},
    {2, IPC_BYTES, offsetof(struct msg_auth_answer, answer), true},
    {3, IPC_STR, offsetof(struct msg_auth_answer, signature), false},
    {4, IPC_U64, offsetof(struct msg_auth_answer, deadline), true},
    {0, IPC_U64, 0, false},
};

const struct ipc_field msg_event_fields[] = {
    {1, IPC_STR, offsetof(struct msg_event, sink), true},
    {2, IPC_U64, offsetof(struct msg_event, seq), true},
    {3, IPC_STR, offsetof(struct msg_event, id), true},
    {4, IPC_BYTES, offsetof(struct msg_event, body), true},
    {0, IPC_U64, 0, false},
};

const struct ipc_field msg_event_done_fields[] = {
    {1, IPC_STR, offsetof(struct msg_event_done, sink), true},
    {2, IPC_U64, offsetof(struct msg_event_done, seq), true},
    {3, IPC_U64, offsetof(struct msg_event_done, status), false},
    {4, IPC_U64, offsetof(struct msg_event_done, retry_after_s), false},
    {5, IPC_FAIL, offsetof(struct msg_event_done, fail), false},
    {0, IPC_U64, 0, false},
};

const struct ipc_field msg_auth_ok_fields[] = {
    {1, IPC_BYTES, offsetof(struct msg_auth_ok, assertion), false},
    {2, IPC_STR, offsetof(struct msg_auth_ok, principal), true},
    {3, IPC_STR, offsetof(struct msg_auth_ok, upn), false},
    {0, IPC_U64, 0, false},
};

const struct ipc_field msg_prepare_fields[] = {
    {1, IPC_BYTES, offsetof(struct msg_prepare, generation), true},
    {2, IPC_U64, offsetof(struct msg_prepare, commit), false},
    {3, IPC_U64, offsetof(struct msg_prepare, deadline), true},
    {4, IPC_STR, offsetof(struct msg_prepare, trace_id), true},
    {5, IPC_STR, offsetof(struct msg_prepare, endpoint), true},
    {6, IPC_STR, offsetof(struct msg_prepare, operation), true},
    {7, IPC_BYTES, offsetof(struct msg_prepare, assertion), false},
    {8, IPC_BYTES, offsetof(struct msg_prepare, request), true},
    {9, IPC_PAIRS, offsetof(struct msg_prepare, context), false},
    {10, IPC_STR, offsetof(struct msg_prepare, source), false},
    {11, IPC_BYTES, offsetof(struct msg_prepare, token), false},
    {12, IPC_BYTES, offsetof(struct msg_prepare, client_certificate), false},
    {13, IPC_U64, offsetof(struct msg_prepare, may_wait), false},
    {0, IPC_U64, 0, false},
};

const struct ipc_field msg_token_fields[] = {
    {1, IPC_STR, offsetof(struct msg_token, endpoint), true},
    {2, IPC_BYTES, offsetof(struct msg_token, token), false},
    {3, IPC_U64, offsetof(struct msg_token, deadline), true},
    {4, IPC_BYTES, offsetof(struct msg_token, client_certificate), false},
    {0, IPC_U64, 0, false},
};

const struct ipc_field msg_prepared_fields[] = {
    {1, IPC_U64, offsetof(struct msg_prepared, prep_id), true},
    {2, IPC_BYTES, offsetof(struct msg_prepared, request_hash), true},
    {3, IPC_STR, offsetof(struct msg_prepared, authoriser), false},
    {4, IPC_BYTES, offsetof(struct msg_prepared, question), false},
    {0, IPC_U64, 0, false},
};

const struct ipc_field msg_commit_fields[] = {
    {1, IPC_U64, offsetof(struct msg_commit, prep_id), true},
    {2, IPC_BYTES, offsetof(struct msg_commit, answer), false},
    {3, IPC_STR, offsetof(struct msg_commit, signature), false},
    {4, IPC_FAIL, offsetof(struct msg_commit, fail), false},
    {0, IPC_U64, 0, false},
};

const struct ipc_field msg_issued_fields[] = {
    {1, IPC_STR, offsetof(struct msg_issued, request_id), true},
    {2, IPC_STR, offsetof(struct msg_issued, serial), true},
    {3, IPC_BYTES, offsetof(struct msg_issued, certificate), true},
    {4, IPC_STR, offsetof(struct msg_issued, principal), true},
    {5, IPC_STR, offsetof(struct msg_issued, subject_cn), true},
    {6, IPC_STR, offsetof(struct msg_issued, ent_dmid), true},
    {7, IPC_U64, offsetof(struct msg_issued, replayed), false},
    {8, IPC_STR, offsetof(struct msg_issued, operation), true},
    {9, IPC_STR, offsetof(struct msg_issued, enrollment_type), true},
    {10, IPC_STR, offsetof(struct msg_issued, upn), false},
    {11, IPC_U64, offsetof(struct msg_issued, with_ca), false},
    {12, IPC_U64, offsetof(struct msg_issued, number), false},
    {13, IPC_STR, offsetof(struct msg_issued, issuer), true},
    {14, IPC_U64, offsetof(struct msg_issued, more_names), false},
    {15, IPC_STR, offsetof(struct msg_issued, provider), false},
    {0, IPC_U64, 0, false},
};

const struct ipc_field msg_pending_fields[] = {
    {1, IPC_U64, offsetof(struct msg_pending, number), true},
    {2, IPC_STR, offsetof(struct msg_pending, request_id), true},
    {3, IPC_U64, offsetof(struct msg_pending, expires_at), true},
    {4, IPC_STR, offsetof(struct msg_pending, reason), true},
    {0, IPC_U64, 0, false},
};

const struct ipc_field msg_query_fields[] = {
    {1, IPC_STR, offsetof(struct msg_query, endpoint), true},
    {2, IPC_BYTES, offsetof(struct msg_query, assertion), true},
    {3, IPC_U64, offsetof(struct msg_query, number), true},
    {4, IPC_STR, offsetof(struct msg_query, trace_id), true},
    {0, IPC_U64, 0, false},
};

const struct ipc_field msg_refusal_fields[] = {
    {1, IPC_STR, offsetof(struct msg_refusal, trace_id), true},
    {2, IPC_STR, offsetof(struct msg_refusal, endpoint), true},
    {3, IPC_STR, offsetof(struct msg_refusal, stage), true},
    {4, IPC_STR, offsetof(struct msg_refusal, principal), false},
    {5, IPC_STR, offsetof(struct msg_refusal, device_id), false},
    {6, IPC_STR, offsetof(struct msg_refusal, source), false},
    {7, IPC_FAIL, offsetof(struct msg_refusal, fail), true},
    {0, IPC_U64, 0, false},
};

const struct ipc_field msg_catalogue_fields[] = {
    {1, IPC_BYTES, offsetof(struct msg_catalogue, generation), true},
    {2, IPC_PAIRS, offsetof(struct msg_catalogue, issuers), false},
    {3, IPC_BLOBS, offsetof(struct msg_catalogue, certificates), false},
    {4, IPC_BLOBS, offsetof(struct msg_catalogue, roots), false},
    {5, IPC_PAIRS, offsetof(struct msg_catalogue, templates), false},
    {0, IPC_U64, 0, false},
};

const struct ipc_field msg_sign_fields[] = {
    {1, IPC_STR, offsetof(struct msg_sign, kind), true},
    {2, IPC_BYTES, offsetof(struct msg_sign, tbs), true},
    {3, IPC_U64, offsetof(struct msg_sign, deadline), true},
    {0, IPC_U64, 0, false},
};

const struct ipc_field msg_signed_fields[] = {
    {1, IPC_BYTES, offsetof(struct msg_signed, signature), true},
    {2, IPC_U64, offsetof(struct msg_signed, micros), false},
    {0, IPC_U64, 0, false},
};

const struct ipc_field msg_key_state_fields[] = {
    {1, IPC_STR, offsetof(struct msg_key_state, state), true},
    {2, IPC_FAIL, offsetof(struct msg_key_state, fail), true},
    {3, IPC_U64, offsetof(struct msg_key_state, raw), false},
    {4, IPC_STR, offsetof(struct msg_key_state, algorithm), false},
    {5, IPC_U64, offsetof(struct msg_key_state, signatures), false},
    {6, IPC_U64, offsetof(struct msg_key_state, failures), false},
    {7, IPC_U64, offsetof(struct msg_key_state, last_micros), false},
    {8, IPC_U64, offsetof(struct msg_key_state, since), false},
    {9, IPC_FAIL, offsetof(struct msg_key_state, last_error), false},
    {10, IPC_U64, offsetof(struct msg_key_state, last_raw), false},
    {11, IPC_U64, offsetof(struct msg_key_state, last_error_at), false},
    {12, IPC_STR, offsetof(struct msg_key_state, last_raw_text), false},
    {13, IPC_U64, offsetof(struct msg_key_state, last_good_at), false},
    {14, IPC_U64, offsetof(struct msg_key_state, health_checks), false},
    {15, IPC_U64, offsetof(struct msg_key_state, recoveries), false},
    {16, IPC_U64, offsetof(struct msg_key_state, ewma_micros), false},
    {17, IPC_U64, offsetof(struct msg_key_state, max_micros), false},
    {18, IPC_U64, offsetof(struct msg_key_state, sum_micros), false},
    {19, IPC_STR, offsetof(struct msg_key_state, buckets), false},
    {20, IPC_PAIRS, offsetof(struct msg_key_state, failed), false},
    {21, IPC_PAIRS, offsetof(struct msg_key_state, attributes), false},
    {0, IPC_U64, 0, false},
};

const uint64_t msg_key_bounds[MSG_KEY_BUCKETS - 1] = {100,   250,   500,    1000,   2500,    5000,
                                                      10000, 50000, 100000, 500000, 1000000, 5000000};

const struct ipc_field msg_verb_fields[] = {
    {1, IPC_STR, offsetof(struct msg_verb, verb), true},
    {2, IPC_PAIRS, offsetof(struct msg_verb, args), false},
    {3, IPC_BYTES, offsetof(struct msg_verb, secret), false},
    {4, IPC_STR, offsetof(struct msg_verb, actor), true},
    {5, IPC_STR, offsetof(struct msg_verb, frontend), false},
    {6, IPC_STR, offsetof(struct msg_verb, trace_id), false},
    {0, IPC_U64, 0, false},
};

const struct ipc_field msg_verb_reply_fields[] = {
    {1, IPC_BYTES, offsetof(struct msg_verb_reply, json), true},
    {0, IPC_U64, 0, false},
};

const struct ipc_field msg_audit_fields[] = {
    {1, IPC_STR, offsetof(struct msg_audit, actor), true},
    {2, IPC_STR, offsetof(struct msg_audit, verb), true},
    {3, IPC_STR, offsetof(struct msg_audit, result), true},
    {4, IPC_STR, offsetof(struct msg_audit, detail), false},
    {0, IPC_U64, 0, false},
};

static const char *const role_names[ROLE__MAX] = {"main", "net", "control", "auth", "issuer", "key"};

const char *role_name(enum role_id id)
{
    return (unsigned)id < ROLE__MAX ? role_names[id] : "?";
}

enum role_id role_from_name(const char *name)
{
    for (unsigned i = 0; i < ROLE__MAX; i++)
        if (strcmp(role_names[i], name) == 0)
            return (enum role_id)i;
    return ROLE__MAX;
}
