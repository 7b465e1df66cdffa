// SPDX-License-Identifier: Apache-2.0
// java Verify.java ROOT.der:...:LEAF.der ...: each path through CertPathValidator, PKIX rules, no revocation.
import java.io.FileInputStream;
import java.security.cert.CertPathValidator;
import java.security.cert.CertificateFactory;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

public class Verify {
    static X509Certificate read(CertificateFactory factory, String path) throws Exception {
        try (FileInputStream in = new FileInputStream(path)) {
            return (X509Certificate) factory.generateCertificate(in);
        }
    }

    // each argument is ROOT,...,LEAF joined by ':'; one line of output each
    public static void main(String[] args) throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        for (String arg : args) {
            try {
                String[] files = arg.split(":");
                List<X509Certificate> path = new ArrayList<>();
                for (int i = files.length - 1; i > 0; i--)
                    path.add(read(factory, files[i]));
                PKIXParameters parameters =
                    new PKIXParameters(Set.of(new TrustAnchor(read(factory, files[0]), null)));
                parameters.setRevocationEnabled(false);
                CertPathValidator.getInstance("PKIX").validate(factory.generateCertPath(path), parameters);
                X509Certificate leaf = path.get(0);
                leaf.getSubjectAlternativeNames();
                if (!leaf.getExtendedKeyUsage().contains("1.3.6.1.5.5.7.3.2"))
                    throw new Exception("not for client authentication");
                System.out.println("ok");
            } catch (Exception e) {
                System.out.println("refused " + e);
            }
        }
    }
}
