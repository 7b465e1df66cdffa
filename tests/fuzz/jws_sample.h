/* SPDX-License-Identifier: Apache-2.0 */
/** @file A token whose private key is published (RFC 8037 appendix A), with the key set that verifies it. */
#ifndef TESTS_FUZZ_JWS_SAMPLE_H
#define TESTS_FUZZ_JWS_SAMPLE_H

#define JWS_SAMPLE_KEYS                                                               \
    "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"k1\",\"use\":\"sig\"," \
    "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"
#define JWS_SAMPLE_PAYLOAD \
    "{\"iss\":\"i\",\"aud\":[\"x\",\"a\"],\"sub\":\"ada\",\"iat\":1799999900,\"exp\":1800000500}"
#define JWS_SAMPLE_TOKEN                                                                                  \
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJFZERTQSIsImtpZCI6ImsxIn0."                                                \
    "eyJpc3MiOiJpIiwiYXVkIjpbIngiLCJhIl0sInN1YiI6ImFkYSIsImlhdCI6MTc5OTk5OTkwMCwiZXhwIjoxODAwMDAwNTAwfQ." \
    "VOqykaJD3UFfkYckVVTaWDrmaU6ztv3XBQW4SK7D53jthavXFmVspUuoFa0oQA97XUT6Kpzb6NF8GpS2rCYIDQ"

#endif
