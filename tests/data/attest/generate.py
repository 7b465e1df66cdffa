#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make the files beside this one again, with a software TPM (swtpm, tpm2-tools): each run makes other keys.

NAME.claim is what a device sends as AIKAttestationClaim, NAME.spki the key that it is about, *.der certificates of AIKs,
roots.pem what they end at; tests/unit/test_attest.c says what each is for. All is valid from 2026-01-01 on."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "lib"))
import tpmlab  # noqa: E402 pylint: disable=wrong-import-position

tpmlab.write_set(HERE)
