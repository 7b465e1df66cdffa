# SPDX-License-Identifier: Apache-2.0
"""Discovery (MS-MDE2 3.1): the first request of a device that enrolls. It learns here where to sign in and where policy
and certificates are to be had; the latter two are the daemon's URLs, on one host name.

In a real estate this is https://EnterpriseEnrollment.<domain of the user>/EnrollmentServer/Discovery.svc."""
import uuid
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape

from web import Answer

SOAP = "http://www.w3.org/2003/05/soap-envelope"
ADDRESSING = "http://www.w3.org/2005/08/addressing"
MANAGEMENT = "http://schemas.microsoft.com/windows/management/2012/01/enrollment"
ENROLLMENT = "http://schemas.microsoft.com/windows/pki/2009/01/enrollment"
DIAGNOSTICS = "http://schemas.microsoft.com/2004/09/ServiceModel/Diagnostics"
ACTION = MANAGEMENT + "/IDiscoveryService/Discover"
NEWEST = 4.0  # EnrollmentVersion from which on nothing more is asked of policy and request


class Unusable(Exception):
    """Not a Discover request, or one that this frontend has no answer to; args: subcode, ErrorType or None, text."""


def _text(parent, name):
    node = parent.find(f"{{{MANAGEMENT}}}{name}")
    return (node.text or "").strip() if node is not None else ""


def _version(text):
    """The device's RequestVersion, but not beyond ours."""
    try:
        asked = float(text)
    except ValueError:
        return 3.0
    return min(asked, NEWEST) if asked >= 3 else 3.0


class Discovery:
    """@p urls: policy, enroll, signin."""

    def __init__(self, urls):
        self.urls = urls

    @staticmethod
    def get(_request):
        """Windows asks with GET whether somebody is there: 200, and nothing in it."""
        return Answer()

    def post(self, request):
        """Discover."""
        message_id = ""
        try:
            message_id, wish = self._read(request.body)
            return self._answer(message_id, self._result(wish))
        except Unusable as e:
            return self._fault(message_id, *e.args)

    @staticmethod
    def _read(body):
        try:
            text = body.decode("utf-8")
            if "<!" in text:  # no DTD, no entities; a Discover has no use for comments either
                raise ValueError("markup declaration")
            root = ET.fromstring(text)
        except (ValueError, ET.ParseError) as e:
            raise Unusable("s:MessageFormat", None, "The request is not readable.") from e
        wish = root.find(f"{{{SOAP}}}Body/{{{MANAGEMENT}}}Discover/{{{MANAGEMENT}}}request")
        if wish is None:
            raise Unusable("s:MessageFormat", None, "The request is not Discover.")
        message_id = root.findtext(f"{{{SOAP}}}Header/{{{ADDRESSING}}}MessageID") or ""
        return message_id.strip(), wish

    def _result(self, wish):
        ways = [(p.text or "").strip() for p in wish.findall(f"{{{MANAGEMENT}}}AuthPolicies/{{{MANAGEMENT}}}AuthPolicy")]
        if ways and "Federated" not in ways:
            raise Unusable("s:Authorization", "NotSupported", "Users sign in on a page here, which this device cannot show.")
        return (f'<DiscoverResponse xmlns="{MANAGEMENT}"><DiscoverResult><AuthPolicy>Federated</AuthPolicy>'
                f"<EnrollmentVersion>{_version(_text(wish, 'RequestVersion')):.1f}</EnrollmentVersion>"
                f"<EnrollmentPolicyServiceUrl>{escape(self.urls['policy'])}</EnrollmentPolicyServiceUrl>"
                f"<EnrollmentServiceUrl>{escape(self.urls['enroll'])}</EnrollmentServiceUrl>"
                f"<AuthenticationServiceUrl>{escape(self.urls['signin'])}</AuthenticationServiceUrl>"
                "</DiscoverResult></DiscoverResponse>")

    @staticmethod
    def _answer(message_id, body, status=200, activity=None):
        activity = activity or str(uuid.uuid4())
        relates = f"<a:RelatesTo>{escape(message_id)}</a:RelatesTo>" if message_id else ""
        text = (f'<s:Envelope xmlns:s="{SOAP}" xmlns:a="{ADDRESSING}"><s:Header>'
                f'<a:Action s:mustUnderstand="1">{ACTION}Response</a:Action>'
                f'<ActivityId CorrelationId="{activity}" xmlns="{DIAGNOSTICS}">{activity}</ActivityId>{relates}'
                f"</s:Header><s:Body>{body}</s:Body></s:Envelope>")
        return Answer(text, status, "application/soap+xml; charset=utf-8")

    def _fault(self, message_id, subcode, error_type, text):
        activity = str(uuid.uuid4())
        return self._answer(message_id, (
            f'<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>{subcode}</s:Value></s:Subcode></s:Code>'
            f'<s:Reason><s:Text xml:lang="en-US">{escape(text)}</s:Text></s:Reason><s:Detail>'
            f'<DeviceEnrollmentServiceError xmlns="{ENROLLMENT}">'
            f"<ErrorType>{error_type or subcode.partition(':')[2]}</ErrorType><Message>{escape(text)}</Message>"
            f"<TraceId>{activity}</TraceId></DeviceEnrollmentServiceError></s:Detail></s:Fault>"), 500, activity)
