#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What Windows does before policy and certificate: discovery, and the sign-in page. Prints what it learned as JSON; the token is
for pkienroll-probe --jwt, which does the rest.

    device.py --discovery URL --ca-file FILE --user NAME --password-file FILE"""
import argparse
import html.parser
import json
import ssl
import sys
import urllib.request
import uuid
import xml.etree.ElementTree as ET
from urllib.parse import urlencode, urljoin

SOAP = "http://www.w3.org/2003/05/soap-envelope"
ADDRESSING = "http://www.w3.org/2005/08/addressing"
MANAGEMENT = "http://schemas.microsoft.com/windows/management/2012/01/enrollment"
APPRU = "ms-app://windows.immersivecontrolpanel"


def discover(call, url, user):
    """(policy, enrollment, sign-in) as the server names them."""
    call(urllib.request.Request(url))  # is anybody there?
    body = (f'<s:Envelope xmlns:a="{ADDRESSING}" xmlns:s="{SOAP}"><s:Header><a:Action s:mustUnderstand="1">'
            f"{MANAGEMENT}/IDiscoveryService/Discover</a:Action><a:MessageID>urn:uuid:{uuid.uuid4()}</a:MessageID>"
            f'<a:To s:mustUnderstand="1">{url}</a:To></s:Header><s:Body><Discover xmlns="{MANAGEMENT}"><request>'
            f"<EmailAddress>{user}</EmailAddress><RequestVersion>4.0</RequestVersion><DeviceType>CIMClient_Windows</DeviceType>"
            "<AuthPolicies><AuthPolicy>OnPremise</AuthPolicy><AuthPolicy>Federated</AuthPolicy></AuthPolicies></request></Discover>"
            "</s:Body></s:Envelope>")
    answer = ET.fromstring(call(urllib.request.Request(url, body.encode(), {"Content-Type": "application/soap+xml; charset=utf-8"})))
    found = {name: answer.findtext(f".//{{{MANAGEMENT}}}{name}") for name in
             ("AuthPolicy", "EnrollmentPolicyServiceUrl", "EnrollmentServiceUrl", "AuthenticationServiceUrl")}
    if found["AuthPolicy"] != "Federated" or not all(found.values()):
        sys.exit(f"device.py: discovery does not lead to a sign-in page: {found}")
    return found["EnrollmentPolicyServiceUrl"], found["EnrollmentServiceUrl"], found["AuthenticationServiceUrl"]


class Form(html.parser.HTMLParser):
    """The first form of a page: where it goes and its fields."""

    def __init__(self, text):
        super().__init__()
        self.action, self.fields, self.alert = "", {}, False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        if tag == "form":
            self.action = a.get("action") or ""
        if tag == "input" and a.get("name"):
            self.fields[a["name"]] = a.get("value") or ""
        self.alert = self.alert or a.get("role") == "alert"


def sign_in(call, url, user, password):
    """The token that the page sends on to Windows."""
    page = f"{url}?{urlencode({'appru': APPRU, 'login_hint': user})}"
    form = Form(call(urllib.request.Request(page)).decode())
    fields = {**form.fields, "user": user, "password": password}
    done = Form(call(urllib.request.Request(urljoin(page, form.action), urlencode(fields).encode())).decode())
    if done.alert or done.action != APPRU or not done.fields.get("wresult"):
        sys.exit("device.py: the sign-in page did not let the user in")
    return done.fields["wresult"]


def main():
    p = argparse.ArgumentParser(description="discovery and sign-in as Windows does them")
    for name in ("discovery", "ca-file", "user", "password-file"):
        p.add_argument(f"--{name}", required=True)
    o = p.parse_args()
    context = ssl.create_default_context(cafile=o.ca_file)

    def call(request):
        with urllib.request.urlopen(request, context=context, timeout=30) as answer:
            return answer.read()

    with open(o.password_file, encoding="utf-8") as f:
        password = f.readline().rstrip("\n")
    policy, enroll, page = discover(call, o.discovery, o.user)
    print(json.dumps({"policy": policy, "enroll": enroll, "signin": page, "token": sign_in(call, page, o.user, password)}))


if __name__ == "__main__":
    main()
